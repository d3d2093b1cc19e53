/**
 * The control server's tokens: by role, from references alone. A secret may hold several, apart by blanks or line
 * breaks, so that one can be changed without a moment at which neither holds.
 */
import { problem } from './check.ts'
import type { ControlTokens } from './model.ts'
import type { NodeFile } from './nodeShape.ts'
import { ConfigError } from './problem.ts'
import { resolveSecret, type SecretSource } from './secret.ts'

const TOKEN_CHARACTERS_MIN = 16
/** What a header can carry. */
const TOKEN = /^[\x21-\x7e]+$/

export function tokensFrom(given: NonNullable<NodeFile['control']['tokens']>, from: SecretSource): ControlTokens {
  const of = (role: keyof ControlTokens): readonly string[] => {
    const reference = given[role]
    if (reference === undefined) return []
    const key = `control.tokens.${role}`
    const tokens = resolveSecret(reference, key, from).split(/\s+/).filter(Boolean)
    if (tokens.length > 0 && tokens.every((token) => token.length >= TOKEN_CHARACTERS_MIN && TOKEN.test(token)))
      return tokens
    throw new ConfigError([
      problem(from.file, key, `each token must be at least ${TOKEN_CHARACTERS_MIN} letters, digits and signs of ASCII`),
    ])
  }
  return { read: of('read'), operate: of('operate'), privileged: of('privileged') }
}
