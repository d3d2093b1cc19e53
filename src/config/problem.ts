/**
 * What is wrong with a configuration: one problem per key, and the error that carries all of them.
 *
 * Every problem is one line that names the file, the key and the value. Values of secret keys are never shown.
 */
export interface Problem {
  readonly file: string
  /** Dotted path, as it is written in the file: `labels.click.within`. Empty where the file itself is at fault. */
  readonly key: string
  readonly value: unknown
  readonly message: string
}

const VALUE_CHARACTERS = 80
const SECRET_KEY = /(^|\.)(password|token|key|username|ca|cert|sasl|ssl|tokens(\.\w+)?)$/i
/** Beside a secret even an unknown key may hold one: a misspelled `pasword`. */
const BESIDE_SECRET = /(^|\.)(sasl|ssl|registry)\.(?!(mechanism|url|rejectUnauthorized)$)/

/** Thrown for wrong configuration; the command line prints its lines and ends with exit code 2. */
export class ConfigError extends Error {
  readonly problems: readonly Problem[]
  readonly file: string
  readonly key: string
  readonly value: unknown
  /** Wrong use: what a command that meets this error ends with. */
  readonly exitCode = 2

  constructor(found: readonly Problem[]) {
    const problems = found.map((problem) => ({
      ...problem,
      value: isShown(problem) ? withoutUserInfo(problem.value) : undefined,
    }))
    super(problems.map(problemLine).join('\n'))
    this.name = 'ConfigError'
    this.problems = problems
    this.file = problems[0].file
    this.key = problems[0].key
    this.value = problems[0].value
  }
}

export function problemLine(problem: Problem): string {
  const key = problem.key === '' ? '' : ` ${problem.key}:`
  return `${problem.file}:${key} ${problem.message}${shownValue(problem)}`.replaceAll('\n', ' ')
}

export function isSecretKey(key: string): boolean {
  return SECRET_KEY.test(key)
}

function shownValue(problem: Problem): string {
  if (problem.value === undefined || !isShown(problem)) return ''
  const value = withoutUserInfo(problem.value)
  const text = JSON.stringify(value) ?? String(value)
  return ` (is ${text.length > VALUE_CHARACTERS ? `${text.slice(0, VALUE_CHARACTERS)}...` : text})`
}

/** Sections are not shown, nor lists of them: what is in them may be secret. */
function isShown({ key, value }: Problem): boolean {
  return ![value].flat().some(isSection) && !isSecretKey(key) && !BESIDE_SECRET.test(key)
}

function isSection(value: unknown): boolean {
  return typeof value === 'object' && value !== null
}

/**
 * An address with credentials in it is itself the problem; the line that says so must not repeat them. They may hold any
 * sign, also an unescaped / or @, so all up to the last @ goes.
 */
function withoutUserInfo(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutUserInfo)
  return typeof value === 'string' ? value.replace(/^(\w+:\/\/)?.*@/s, '$1...@') : value
}
