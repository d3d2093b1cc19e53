/** Types of live.mjs, for the long tests that use it. */
import type { NodeStatus } from '../src/inspect/status.ts'
import type { World } from './measures.mjs'
import type { Check } from './topics.mjs'

export interface Distribution {
  readonly count: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
}

export interface Latency {
  readonly views: number
  readonly check: Check
  readonly status: NodeStatus
  readonly moving: Distribution
  readonly idle: Distribution
}

export function measureLatency(
  world: World,
  name: string,
  eventsPerS: number,
  seconds: number,
  options?: { readonly hotShare?: number; readonly memory?: object },
): Promise<Latency>
