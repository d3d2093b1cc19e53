/**
 * Calls to the coordinator of a group or of a transactional id: the broker that has it is looked for once, and again
 * after a failure.
 */
import type { Logger } from './client.ts'
import type { Broker, Cluster } from './internals.ts'
import { forgetBroker, refreshCluster } from './leaders.ts'
import { persist } from './persist.ts'

export type CoordinatorType = 'group' | 'transaction'
/** As the protocol numbers them. */
const TYPES = { group: 0, transaction: 1 } as const

export interface CallOptions {
  readonly doing: string
  readonly isOver: () => boolean
  readonly deadlineMs?: number
}

export class Coordinator {
  private readonly cluster: Cluster
  private readonly key: string
  private readonly type: CoordinatorType
  private readonly logger: Logger | undefined
  private broker: Broker | undefined

  constructor(cluster: Cluster, type: CoordinatorType, key: string, logger: Logger | undefined) {
    this.cluster = cluster
    this.type = type
    this.key = key
    this.logger = logger
  }

  call<T>(body: (broker: Broker) => Promise<T>, { doing, isOver, deadlineMs }: CallOptions): Promise<T> {
    return persist(async () => body(await this.find()), {
      doing,
      isOver,
      deadlineMs,
      logger: this.logger,
      recover: async (error) => {
        this.broker = undefined
        forgetBroker(this.cluster, error)
        await refreshCluster(this.cluster)
      },
    })
  }

  private async find(): Promise<Broker> {
    this.broker ??= await this.cluster.findGroupCoordinator({ groupId: this.key, coordinatorType: TYPES[this.type] })
    return this.broker
  }
}
