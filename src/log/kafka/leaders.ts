/**
 * Connections to the leaders of topic partitions, for appends: where a batch is to be sent, and what is done after a
 * request failed in a way that may pass.
 */
import { leaderNotAvailable, rootCause, toLogError, unknownPartition } from './errors.ts'
import type { Broker, Client, Cluster, PartitionMetadata } from './internals.ts'
import { createCluster, hasLeader } from './patch.ts'

const READ_COMMITTED = 1
const METADATA_MAX_AGE_MS = 300_000

export class Leaders {
  private readonly cluster: Cluster

  constructor(client: Client) {
    this.cluster = createCluster(client, {
      isolationLevel: READ_COMMITTED,
      allowAutoTopicCreation: false,
      metadataMaxAge: METADATA_MAX_AGE_MS,
    })
  }

  async connect(): Promise<void> {
    try {
      await this.cluster.connect()
    } catch (error) {
      throw toLogError(error, 'connecting a writer to the brokers')
    }
  }

  /** Undefined where it is not known yet, and where there is none. */
  leaderOf(topic: string, partition: number): number | undefined {
    const known = this.metadataOf(topic, partition)
    return known !== undefined && hasLeader(known) ? known.leader : undefined
  }

  /** The leader of the first of the places, which are all its own. */
  async brokerOf(places: readonly { readonly topic: string; readonly partition: number }[]): Promise<Broker> {
    await this.cluster.addMultipleTargetTopics([...new Set(places.map(({ topic }) => topic))])
    await this.cluster.refreshMetadataIfNecessary()
    const [{ topic, partition }] = places
    const known = this.metadataOf(topic, partition)
    if (known === undefined) throw unknownPartition(topic, partition)
    if (!hasLeader(known)) throw leaderNotAvailable(topic, partition)
    return this.cluster.findBroker({ nodeId: String(known.leader) })
  }

  /** A connection that was closed is no longer used. */
  forget(error: unknown): void {
    forgetBroker(this.cluster, error)
  }

  /** Asks anew. What goes wrong here goes wrong again, and is told, in the next try. */
  async refresh(): Promise<void> {
    await refreshCluster(this.cluster)
  }

  close(): Promise<void> {
    return this.cluster.disconnect()
  }

  private metadataOf(topic: string, partition: number): PartitionMetadata | undefined {
    try {
      return this.cluster.findTopicPartitionMetadata(topic).find(({ partitionId }) => partitionId === partition)
    } catch {
      return undefined
    }
  }
}

export function forgetBroker(cluster: Cluster, error: unknown): void {
  const { name, host, port } = rootCause(error)
  if (name === 'KafkaJSConnectionClosedError') cluster.removeBroker({ host: host!, port: port! })
}

export async function refreshCluster(cluster: Cluster): Promise<void> {
  if (!cluster.isConnected()) await cluster.connect().catch(() => {})
  await cluster.refreshMetadata().catch(() => {})
}
