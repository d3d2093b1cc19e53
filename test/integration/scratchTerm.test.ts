import { it } from 'vitest'
import { setTimeout as sleep } from 'node:timers/promises'
import { ownBroker } from '../support/broker.ts'
import { openKafkaWorld } from '../support/kafkaWorld.ts'
import { writeConfig } from '../support/crashPipeline.ts'
import { NodeProcess } from '../support/nodeProcess.ts'
import { buildProgram } from '../support/program.ts'
import { tempDir } from '../support/tempDir.ts'
it('term', async () => {
  const [broker, program, dir] = await Promise.all([ownBroker({ extra: ['group.min.session.timeout.ms=500'] }), buildProgram(), tempDir()])
  const world = await openKafkaWorld(broker.brokers)
  for (const isJournalOn of [true, false]) {
    await writeConfig(dir.path + '/config', { brokers: broker.brokers, dataFolder: dir.path + '/data', isJournalOn })
    process.env.NODE_OPTIONS = '--import /tmp/scratch-kill/handles.mjs'
    const node = new NodeProcess(program.folder, dir.path + '/config')
    await node.ready
    await sleep(1000)
    const code = await node.terminate()
    console.log(isJournalOn, code, node.tail())
  }
  await world.close(); await broker.stop()
})
