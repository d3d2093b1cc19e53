/** A crash of kafkajs's consumer that does not pass, on a real broker: its reader tells it, and a node's process ends. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Log } from '../../src/log/port.ts'
import { type SharedBroker, sharedBroker, uniqueName } from '../support/broker.ts'
import { openLog, plainClient, Recorder } from '../support/kafkaTools.ts'
import { NodeProcess } from '../support/nodeProcess.ts'
import { makeTopics, writeWorld } from '../support/pageWorld.ts'
import { buildProgram } from '../support/program.ts'
import { tempDir } from '../support/tempDir.ts'

let broker: SharedBroker
let log: Log
beforeAll(async () => {
  broker = await sharedBroker()
  log = await openLog(broker.brokers)
})
afterAll(async () => {
  await log?.close()
  await broker?.stop()
})

async function deleteTopic(topic: string): Promise<void> {
  const admin = plainClient(broker.brokers).admin()
  await admin.connect()
  await admin.deleteTopics({ topics: [topic] })
  await admin.disconnect()
}

describe('a crash', () => {
  it.concurrent('is told where kafkajs does not retry it: a topic deleted under its reader', async () => {
    const topic = uniqueName('topic')
    await log.createTopics([{ topic, partitions: 1 }])
    const recorder = new Recorder([topic])
    const reader = recorder.reader(log, uniqueName('group'), [topic])
    await reader.start()
    await deleteTopic(topic)
    await recorder.until(() => recorder.failures.length > 0)
    await reader.close()
    expect(recorder.failures).toMatchObject([{ code: 'UNKNOWN_TOPIC' }])
  })

  it.concurrent('ends a node with 1, and a line that says of what', async () => {
    const name = uniqueName('crash')
    await makeTopics(broker.brokers, name, 1)
    const [program, dir] = await Promise.all([buildProgram(), tempDir()])
    const node = new NodeProcess(program.folder, await writeWorld(dir.path, { name, brokers: broker.brokers }))
    try {
      await node.ready
      await deleteTopic(`${name}-views`)
      expect(await node.exited, node.tail()).toBe(1)
      const crash = `reading ${name}-views, ${name}-engagements in group ${name}: This server does not host this topic`
      expect(node.lines.find((line) => line.startsWith('postview: '))).toContain(crash)
    } finally {
      await node.kill()
      await Promise.all([program.remove(), dir.remove()])
    }
  })
})
