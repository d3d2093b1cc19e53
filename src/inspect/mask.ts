/**
 * Ids as they are shown to those who may not see them (`control.mask`): a hash, keyed by the privileged token, so that the
 * same id looks the same on every node and every day, and no list of known ids gives it away. Pure.
 *
 * Invariants:
 * 1. What stands under a name of IDS is masked, wherever in an answer it stands; producers' own records (RECORDS), which
 *    may hold anything, are left out whole.
 * 2. An id that stands under its name somewhere in an answer is masked in the answer's sentences too.
 * 3. Items, topics, offsets and times are no ids of people or of what they did, and stay.
 */
import { createHmac } from 'node:crypto'

const IDS = new Set(['user', 'userId', 'user_id', 'viewId', 'view_id', 'sampleId', 'sample_id', 'wouldJoin'])
const MORE_IDS = new Set(['engagementId', 'engagement_id', 'key'])
const RECORDS = new Set(['record', 'event', 'view'])
const SENTENCES = new Set(['summary', 'reason', 'error', 'notes', 'advice', 'alarms'])
const LEFT_OUT = '(masked)'
const SHOWN_CHARACTERS = 12
/** A shorter id in a sentence is masked where it stands as a word; others wherever they stand. */
const SHORT_ID = 4

export class Mask {
  private readonly key: string

  constructor(key: string) {
    this.key = key
  }

  id(text: string): string {
    return `#${createHmac('sha256', this.key).update(text).digest('hex').slice(0, SHOWN_CHARACTERS)}`
  }

  /** An answer as JSON can hold it, without an id. */
  answer(value: unknown): unknown {
    const ids = new Set<string>()
    collect(value, ids)
    return this.masked(value, '', longestFirst(ids), false)
  }

  private masked(value: unknown, name: string, ids: readonly string[], isSentence: boolean): unknown {
    if (typeof value === 'string') {
      if (isId(name)) return this.id(value)
      return isSentence ? ids.reduce((text, id) => replaced(text, id, this.id(id)), value) : value
    }
    if (Array.isArray(value)) return value.map((one) => this.masked(one, name, ids, isSentence))
    if (typeof value !== 'object' || value === null) return value
    const entries = Object.entries(value)
    // What a timer is about: a view's id, or where an engagement lies.
    const isTimer = 'does' in value && value.does !== 'decide'
    return Object.fromEntries(
      entries.map(([key, item]) => {
        if (RECORDS.has(key) && !isPlace(item)) return [key, item === null ? null : LEFT_OUT]
        if (key === 'what' && isTimer) return [key, this.id(String(item))]
        if (isId(key) && typeof item === 'number') return [key, this.id(String(item))]
        return [key, this.masked(item, key, ids, isSentence || SENTENCES.has(key))]
      }),
    )
  }
}

/** An explanation's view is ours, with its place; a sample's is the producer's. */
function isPlace(item: unknown): boolean {
  return typeof item === 'object' && item !== null && 'topic' in item && 'partition' in item && 'offset' in item
}

function isId(name: string): boolean {
  return IDS.has(name) || MORE_IDS.has(name)
}

function collect(value: unknown, ids: Set<string>): void {
  if (typeof value !== 'object' || value === null) return
  for (const [name, item] of Object.entries(value)) {
    if (isId(name) && (typeof item === 'string' || typeof item === 'number')) ids.add(String(item))
    else collect(item, ids)
  }
}

function longestFirst(ids: ReadonlySet<string>): string[] {
  return [...ids].filter((id) => id !== '').sort((a, b) => b.length - a.length)
}

function replaced(text: string, id: string, mask: string): string {
  if (id.length >= SHORT_ID) return text.replaceAll(id, mask)
  const plain = id.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
  return text.replace(new RegExp(`(?<![\\w-])${plain}(?![\\w-])`, 'gu'), mask)
}
