/** Types of workload.mjs, for the long tests that use it. */
export interface WorkloadOptions {
  readonly views: number
  readonly users?: number
  readonly seed?: number
  readonly format?: 'avro' | 'json'
  readonly paceFactor?: number
  readonly windowMs?: number
  /** One in each partition: their events, far later than all others, seal everything. */
  readonly closingUsers?: readonly number[]
  /** Of all views, to one user beside the others. */
  readonly hotShare?: number
  /** Floats of a view. */
  readonly scores?: number
  /** A view. */
  readonly engagements?: number
}

export interface Answer {
  readonly views: number
  readonly records: readonly number[]
  readonly digest: number
}

export interface Arrival {
  readonly kind: 0 | 1
  readonly user: number
  readonly item: number
  readonly timeMs: number
  readonly value: Buffer
}

export class Workload {
  constructor(options: WorkloadOptions)
  readonly answer: Answer
  /** The time of the last view. */
  readonly endMs: number
  events(): Generator<Arrival>
  /** Events of each source in each partition at that time, whose ids are below 0: they move the clocks. */
  closingAt(timeMs: number): Generator<Arrival>
}

export const viewSchema: object
export const engagementSchema: object
/** What a digest adds for a sample. */
export function digestOf(number: number, click: number, like: number, share: number, watchMs: number): number
