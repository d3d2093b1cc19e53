/**
 * Events as the clock goes, without end, with the answer that every correct join gives: each view's labels are noted as
 * its engagements are made.
 *
 * Invariant: an event's time lies less than the bound behind the moment at which it is made, so none is late as long as
 * the log keeps their order.
 */
import { createRequire } from 'node:module'
import { digestOf, ENGAGEMENTS, engagementSchema, makeView, randomOf, TYPES, VIEWS, viewSchema } from './workload.mjs'

const avro = createRequire(import.meta.url)('avsc')

const USERS = 100_000
const ENGAGEMENTS_PER_VIEW = 0.45
/** Views that may get an engagement still. */
const RECENT_VIEWS = 10_000
/** The most frequent user; with a hot share, so much more so. */
export const HOT_USER = 0

export class LiveEvents {
  constructor({ withinMs, boundMs, hotShare = 0 }) {
    this.withinMs = withinMs
    this.boundMs = boundMs
    this.hotShare = hotShare
    this.random = randomOf(7)
    this.types = [viewSchema, engagementSchema].map((schema) => avro.Type.forSchema(schema))
    this.recent = []
    this.labels = new Map()
    this.views = 0
  }

  next(nowMs) {
    const timeMs = nowMs - Math.floor(this.random() * this.boundMs * 0.9)
    const owner = this.recent[Math.floor(this.random() * this.recent.length)]
    const isEngagement = owner !== undefined && this.random() < ENGAGEMENTS_PER_VIEW / (1 + ENGAGEMENTS_PER_VIEW)
    return isEngagement ? this.engagement(owner, timeMs) : this.view(timeMs)
  }

  view(timeMs) {
    const { random } = this
    const user = random() < this.hotShare ? HOT_USER : 1 + Math.floor(USERS * random() ** 2.2)
    const view = makeView(random, ++this.views, user, timeMs)
    this.recent[this.views % RECENT_VIEWS] = view
    return { kind: VIEWS, user, value: this.types[VIEWS].toBuffer(view) }
  }

  engagement(owner, timeMs) {
    const { view_id, user_id, item_id, event_time: viewMs } = owner
    const type = Math.floor(this.random() * TYPES.length)
    const event_time = Math.max(timeMs, viewMs)
    if (event_time - viewMs <= this.withinMs) this.labels.set(view_id, (this.labels.get(view_id) ?? 0) | (1 << type))
    const event = { view_id, user_id, item_id, event_time, type: TYPES[type], value: 1 }
    return { kind: ENGAGEMENTS, user: user_id, value: this.types[ENGAGEMENTS].toBuffer(event) }
  }

  get answer() {
    let digest = 0
    for (let number = 1; number <= this.views; number++) {
      const bits = this.labels.get(number) ?? 0
      digest += digestOf(number, bits & 1, (bits >> 1) & 1, (bits >> 2) & 1, (bits >> 3) & 1)
    }
    return { views: this.views, digest }
  }
}
