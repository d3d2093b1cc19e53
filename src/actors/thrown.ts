/**
 * Reasons that quote what code threw over a record, as dead letters give them: the quoted text may hold anything of the
 * record. Whoever may not see that is shown the reason without it.
 */
import { Refusal } from '../codec/error.ts'

const QUOTING = { crashedTwice: 'crashed its actor twice', noSample: 'no sample can be made of it' } as const
const QUOTED = new RegExp(`(${Object.values(QUOTING).join('|')}): .*`, 's')

export function thrownReason(why: keyof typeof QUOTING, error: unknown): string {
  const text = error instanceof Refusal ? error.reason : error instanceof Error ? error.message : String(error)
  return `${QUOTING[why]}: ${text}`
}

/** A sentence in which such a reason may stand, with `instead` for what was thrown. */
export function withoutThrown(sentence: string, instead: string): string {
  return sentence.replace(QUOTED, `$1: ${instead}`)
}
