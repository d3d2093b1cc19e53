/** A cluster run with all that it needs: a broker, the program, a folder; and their end, in order. */
import { join } from 'node:path'
import { ownBroker, SHORT_SESSIONS, type SharedBroker } from './broker.ts'
import { ClusterRun } from './clusterRun.ts'
import type { Delivery } from './crashPipeline.ts'
import { type KafkaWorld, openKafkaWorld } from './kafkaWorld.ts'
import { buildProgram } from './program.ts'
import { tempDir } from './tempDir.ts'

export interface ClusterWorld {
  readonly run: ClusterRun
  readonly world: KafkaWorld
  close(): Promise<void>
}

/** `shared`: a broker that serves others too, for one run of a test file; absent: one of its own. */
export async function openClusterWorld(
  seed: number,
  delivery?: Delivery,
  shared?: SharedBroker,
): Promise<ClusterWorld> {
  const broker = shared ?? (await ownBroker({ extra: SHORT_SESSIONS }))
  const [program, dir, world] = [await buildProgram(), await tempDir(), await openKafkaWorld(broker.brokers)]
  const run = new ClusterRun(program.folder, world, join(dir.path, 'run'), seed, { delivery })
  return {
    run,
    world,
    async close() {
      await run.close()
      await world.close()
      await broker.stop()
      await dir.remove()
      await program.remove()
    },
  }
}
