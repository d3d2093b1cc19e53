/**
 * Ids as they are shown to those who may not see them (`control.mask`): a hash, keyed by the privileged token, so that the
 * same id looks the same on every node and every day, and no list of known ids gives it away. Pure.
 *
 * One place decides what is an id: protect.ts hands every answer through here, and a route that has none says so itself.
 *
 * Invariants:
 * 1. What stands under a name of IDS is masked, wherever in an answer it stands. Of a sample nothing is shown but what is
 *    known to say nothing of a person; producers' own records (RECORDS), which may hold anything, are left out whole.
 * 2. An id that stands under its name somewhere in an answer is masked in the answer's sentences too.
 * 3. What code threw over a record (a restart's error) may quote anything of it, and is left out.
 * 4. Items, topics, offsets and times are no ids of people or of what they did, and stay.
 */
import { createHmac } from 'node:crypto'
import { withoutThrown } from '../actors/thrown.ts'

const IDS = new Set([
  'user',
  'userId',
  'user_id',
  'viewId',
  'view_id',
  'sampleId',
  'sample_id',
  'wouldJoin',
  'engagementId',
  'engagement_id',
  'key',
])
const RECORDS = new Set(['record', 'event'])
const SAMPLE = 'sample'
/** Of a sample. */
const SHOWN = new Set(['item_id', 'view_time', 'labels', 'delays_ms', 'late_view', 'revision', 'weight'])
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
    return this.masked(value, anyOf(ids), false)
  }

  private masked(value: unknown, ids: RegExp | undefined, isSentence: boolean): unknown {
    if (typeof value === 'string') return isSentence ? this.sentence(value, ids) : value
    if (Array.isArray(value)) return value.map((one) => this.masked(one, ids, isSentence))
    if (typeof value !== 'object' || value === null) return value
    const fields = Object.entries(value).map(([name, item]): [string, unknown] => {
      const own = this.field(value, name, item)
      return [name, own ?? this.masked(item, ids, isSentence || SENTENCES.has(name))]
    })
    return Object.fromEntries(fields)
  }

  /** What is shown by the field's name alone; undefined where that does not decide it. */
  private field(of: object, name: string, item: unknown): unknown {
    if (item === null) return undefined
    if (IDS.has(name)) return this.idOf(item)
    // The record that sealed a view is told by its place alone.
    if (RECORDS.has(name)) return 'watermarkMs' in of ? undefined : LEFT_OUT
    if (name === SAMPLE) return this.sample(item)
    // What a timer is about: a view's id, or where an engagement lies.
    if (name === 'what' && 'does' in of && of.does !== 'decide') return this.idOf(item)
    return name === 'error' && 'culprit' in of ? LEFT_OUT : undefined
  }

  private idOf(item: unknown): string {
    return typeof item === 'object' ? LEFT_OUT : this.id(String(item))
  }

  private sample(item: unknown): unknown {
    if (typeof item !== 'object') return LEFT_OUT
    const fields = Object.entries(item ?? {}).map(([name, field]): [string, unknown] => {
      if (field === null || SHOWN.has(name)) return [name, field]
      return [name, IDS.has(name) ? this.idOf(field) : LEFT_OUT]
    })
    return Object.fromEntries(fields)
  }

  private sentence(text: string, ids: RegExp | undefined): string {
    const own = withoutThrown(text, LEFT_OUT)
    return ids === undefined ? own : own.replace(ids, (id) => this.id(id))
  }
}

function collect(value: unknown, ids: Set<string>): void {
  if (typeof value !== 'object' || value === null) return
  for (const [name, item] of Object.entries(value)) {
    if (IDS.has(name) && (typeof item === 'string' || typeof item === 'number')) ids.add(String(item))
    else collect(item, ids)
  }
}

/** Finds each of the ids, the longest where several begin; undefined where there are none. */
function anyOf(ids: ReadonlySet<string>): RegExp | undefined {
  const longestFirst = [...ids].filter((id) => id !== '').sort((a, b) => b.length - a.length)
  if (longestFirst.length === 0) return undefined
  const patterns = longestFirst.map((id) => {
    const plain = id.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')
    return id.length >= SHORT_ID ? plain : `(?<![\\w-])${plain}(?![\\w-])`
  })
  return new RegExp(patterns.join('|'), 'gu')
}
