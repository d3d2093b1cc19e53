/**
 * Where generated events go. Implementations: `toLog.ts`, `toServer.ts`, `toFiles.ts`.
 *
 * `send` may hold events back; what it resolves for is not durable before `close` has resolved. Events of a source keep
 * their order.
 */
import type { GeneratedEvent } from './event.ts'

export interface Target {
  /** How many partitions the source topics have; where that is not known, 1. */
  readonly partitions: number
  /** Undefined where there is nothing to wait for. `source` is an index into the pipeline's sources. */
  send(source: number, event: GeneratedEvent): Promise<void> | undefined
  flush(): Promise<void>
  close(): Promise<void>
}
