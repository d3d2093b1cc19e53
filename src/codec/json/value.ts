/**
 * A scanned JSON text as a value, for side outputs: like JSON.parse, but numbers that it would round are strings of
 * their digits, and a key `__proto__` is a key.
 */
import { numberOf } from './decimal.ts'
import * as T from './tape.ts'

export function tapeToValue(tape: T.JsonTape, entry = 0): unknown {
  switch (tape.kind(entry)) {
    case T.NULL:
      return null
    case T.TRUE:
      return true
    case T.FALSE:
      return false
    case T.INTEGER:
    case T.DECIMAL:
      return exactNumber(tape, entry)
    case T.ARRAY: {
      const items: unknown[] = []
      for (let k = tape.first(entry); k < tape.next(entry); k = tape.next(k)) items.push(tapeToValue(tape, k))
      return items
    }
    case T.OBJECT:
      return objectOf(tape, entry)
    default:
      return tape.text(entry)
  }
}

function objectOf(tape: T.JsonTape, entry: number): object {
  const object: Record<string, unknown> = {}
  for (let key = tape.first(entry); key < tape.next(entry); ) {
    const at = tape.next(key)
    const name = tape.text(key)
    const value = tapeToValue(tape, at)
    if (name === '__proto__') {
      Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true })
    } else object[name] = value
    key = tape.next(at)
  }
  return object
}

function exactNumber(tape: T.JsonTape, entry: number): number | string {
  const isInteger = tape.kind(entry) === T.INTEGER
  const n = numberOf(tape.bytes, tape.startOf(entry), tape.endOf(entry), isInteger)
  const exact = isInteger ? Number.isSafeInteger(n) : Number.isFinite(n)
  return exact ? n : (tape.bytes as Buffer).toString('latin1', tape.startOf(entry), tape.endOf(entry))
}
