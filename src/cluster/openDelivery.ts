/** Opens the delivery that the pipeline names. */
import type { Config } from '../config/load.ts'
import type { CommitEntry, Log } from '../log/port.ts'
import { AtLeastOnce } from './atLeastOnce.ts'
import type { Delivery, DeliveryOptions } from './delivery.ts'
import { ExactlyOnce, type ExactlyOnceOptions } from './exactlyOnce.ts'

export interface OpenDeliveryOptions extends DeliveryOptions {
  readonly commit: (entries: readonly CommitEntry[]) => Promise<void>
  readonly onLost: ExactlyOnceOptions['onLost']
}

export function openDelivery(config: Config, log: Log, options: OpenDeliveryOptions): Promise<Delivery> {
  const { group } = config.node
  if (config.pipeline.delivery === 'at-least-once') return AtLeastOnce.open({ ...options, log, group })
  // A configuration without brokers is refused (config/load.ts).
  return ExactlyOnce.open({
    ...options,
    transactionalWriter: (timeoutMs) => log.transactionalWriter!(group, timeoutMs),
  })
}
