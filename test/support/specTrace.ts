/**
 * The anchors' workload (views and engagements with ids, in Avro) from a generator of our own, with the answer known by
 * construction: each view's labels are noted as its engagements are made, never joined.
 *
 * Events come in the order of arrival, less than 5 s behind their time, one in a hundred of them twice. Some engagements
 * come before their view, some are stamped before it, some lie beyond the window or at its very ends.
 *
 * Memory: what is made and has not arrived; the answer is two numbers.
 */
import avro from 'avsc'
import { Digest } from './checker.ts'
import { userOfEach } from './loadEvents.ts'
import { Random } from './random.ts'

export const SPEC_WINDOW_MS = 600_000
export const SPEC_DISORDER_MS = 5_000

const FROM_MS = 1_700_000_000_000
const SPAN_MS = 3_600_000
const CLOSING_AFTER_MS = 7 * 86_400_000
const TYPES = ['click', 'like', 'share', 'watch'] as const
/** How likely a view has one; a second watch is rarer. */
const CHANCES = [0.1, 0.03, 0.01, 0.25, 0.05] as const
const EDGES_MS = [0, SPEC_WINDOW_MS, SPEC_WINDOW_MS + 1, -1] as const
const SURFACES = ['feed', 'search', 'profile', 'explore'] as const
const DEVICES = ['android-13', 'android-12', 'ios-17', 'web'] as const
const COUNTRIES = ['IN', 'BD', 'NP', 'LK'] as const

const long = (name: string) => ({ name, type: 'long' })
const text = (name: string) => ({ name, type: 'string' })
const ids = [long('view_id'), long('user_id'), long('item_id')]
const time = { name: 'event_time', type: { type: 'long', logicalType: 'timestamp-millis' } }

export const SPEC_VIEW = {
  type: 'record',
  name: 'View',
  namespace: 'postview.bench',
  fields: [
    ...ids,
    time,
    { name: 'position', type: 'int' },
    ...['surface', 'device', 'session_id', 'country'].map(text),
    { name: 'scores', type: { type: 'array', items: 'float' } },
  ],
}

export const SPEC_ENGAGEMENT = {
  type: 'record',
  name: 'Engagement',
  namespace: 'postview.bench',
  fields: [
    ...ids,
    time,
    { name: 'type', type: { type: 'enum', name: 'EngagementType', symbols: [...TYPES] } },
    { name: 'value', type: 'double' },
  ],
}

export interface SpecRecord {
  /** 0: a view; 1: an engagement. */
  readonly source: 0 | 1
  readonly user: number
  readonly timeMs: number
  readonly value: Buffer
}

export interface SpecOptions {
  readonly views: number
  readonly users: number
  readonly partitions: number
  readonly seed: number
}

const secondOf = (timeMs: number): number => Math.floor((timeMs - FROM_MS) / 1000)

export class SpecTrace {
  /** Whole once all records were taken. */
  readonly answer = new Digest()
  private readonly options: SpecOptions
  private readonly random: Random
  private readonly view = avro.Type.forSchema(SPEC_VIEW as avro.Schema)
  private readonly engagement = avro.Type.forSchema(SPEC_ENGAGEMENT as avro.Schema)
  /** By the second of their arrival. */
  private readonly arriving = new Map<number, { readonly atMs: number; readonly record: SpecRecord }[]>()

  /** Those before it were handed out. */
  private second = 0

  constructor(options: SpecOptions) {
    this.options = options
    this.random = new Random(options.seed)
  }

  /** A second's records at a time, ordered by arrival; then the closing ones. */
  *batches(): Generator<SpecRecord[]> {
    const { views } = this.options
    for (let i = 0; i < views; i++) {
      const timeMs = FROM_MS + Math.floor((i * SPAN_MS) / views)
      for (; this.second < secondOf(timeMs); this.second++) yield this.take(this.second)
      this.makeView(i + 1, timeMs)
    }
    for (const left of [...this.arriving.keys()].sort((a, b) => a - b)) yield this.take(left)
    yield this.closing()
  }

  private take(second: number): SpecRecord[] {
    const arrived = this.arriving.get(second) ?? []
    this.arriving.delete(second)
    return arrived.sort((a, b) => a.atMs - b.atMs).map(({ record }) => record)
  }

  private makeView(id: number, timeMs: number): void {
    const { random } = this
    const user = Math.floor(this.options.users * random.next() ** 2.2)
    const item = Math.floor(1e6 * random.next() ** 1.5)
    this.arrive({ source: 0, user, timeMs, value: this.viewBytes(id, user, item, timeMs) })
    const labels = { click: 0, like: 0, share: 0, watch_ms: 0 }
    CHANCES.forEach((chance, k) => {
      if (!random.chance(chance)) return
      const type = TYPES[Math.min(k, 3)]
      const value = type === 'watch' ? random.below(60_000) : 0
      const delayMs = this.delayMs()
      const at = { view_id: id, user_id: user, item_id: item, event_time: timeMs + delayMs, type, value }
      this.arrive({ source: 1, user, timeMs: at.event_time, value: this.engagement.toBuffer(at) })
      if (delayMs < 0 || delayMs > SPEC_WINDOW_MS) return
      if (type === 'watch') labels.watch_ms = Math.max(labels.watch_ms, value)
      else labels[type] = 1
    })
    this.answer.add(id, labels)
  }

  private delayMs(): number {
    const { random } = this
    if (random.chance(0.01)) return random.pick(EDGES_MS)
    if (random.chance(0.02)) return -random.below(1000)
    return Math.floor(-Math.log(1 - random.next()) * (random.chance(0.15) ? 400_000 : 40_000))
  }

  private arrive(record: SpecRecord): void {
    const { random } = this
    for (let copies = random.chance(0.01) ? 2 : 1; copies > 0; copies--) {
      const atMs = record.timeMs + random.next() * (SPEC_DISORDER_MS - 1)
      // The seconds before this one are gone: what is stamped before its view may be a second later than drawn.
      const second = Math.max(this.second, secondOf(atMs))
      const list = this.arriving.get(second)
      if (list === undefined) this.arriving.set(second, [{ atMs, record }])
      else list.push({ atMs, record })
    }
  }

  private viewBytes(id: number, user: number, item: number, timeMs: number): Buffer {
    const { random } = this
    return this.view.toBuffer({
      view_id: id,
      user_id: user,
      item_id: item,
      event_time: timeMs,
      position: id % 50,
      surface: SURFACES[id & 3],
      device: DEVICES[(user >> 2) & 3],
      session_id: `${(user * 7919).toString(16).padStart(8, '0')}${Math.floor(id / 1000)
        .toString(16)
        .padStart(8, '0')}`,
      country: COUNTRIES[user & 3],
      scores: Array.from({ length: 8 }, () => random.next()),
    })
  }

  /** One of each source in each partition, so much later that all before is sealed. Their view ids are below 0. */
  private closing(): SpecRecord[] {
    const timeMs = FROM_MS + SPAN_MS + CLOSING_AFTER_MS
    return userOfEach(this.options.partitions, String).flatMap((name, partition) => {
      const user = Number(name)
      const id = -1 - partition
      const at = { view_id: id, user_id: user, item_id: 0, event_time: timeMs, type: 'click', value: 0 }
      return [
        { source: 0, user, timeMs, value: this.viewBytes(id, user, 0, timeMs) },
        { source: 1, user, timeMs, value: this.engagement.toBuffer(at) },
      ] as const
    })
  }
}
