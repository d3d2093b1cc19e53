/** A cluster run with all that it needs: a broker of its own, the program, a folder; and their end, in order. */
import { join } from 'node:path'
import { ownBroker } from './broker.ts'
import { ClusterRun } from './clusterRun.ts'
import type { Delivery } from './crashPipeline.ts'
import type { CrashWorld } from './crashWorld.ts'
import { openKafkaWorld } from './kafkaWorld.ts'
import { buildProgram } from './program.ts'
import { tempDir } from './tempDir.ts'

export interface ClusterWorld {
  readonly run: ClusterRun
  readonly world: CrashWorld
  close(): Promise<void>
}

export async function openClusterWorld(seed: number, delivery?: Delivery): Promise<ClusterWorld> {
  const broker = await ownBroker({ extra: ['group.min.session.timeout.ms=500'] })
  const [program, dir, world] = [await buildProgram(), await tempDir(), await openKafkaWorld(broker.brokers)]
  const run = new ClusterRun(program.folder, world, join(dir.path, 'run'), seed, delivery)
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
