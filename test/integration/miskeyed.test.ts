/** A node of which a partition stopped at a miskeyed record goes on, tells why, and ends with 1 when it is told to stop. */
import { join } from 'node:path'
import { expect, it } from 'vitest'
import type { NodeStatus } from '../../src/inspect/status.ts'
import { murmur2, partitionOf } from '../../src/join/hash.ts'
import { InsideWorld } from '../support/insideWorld.ts'
import { NodeProcess } from '../support/nodeProcess.ts'
import type { Event } from '../support/pageWorld.ts'
import { buildProgram } from '../support/program.ts'
import { until } from '../support/until.ts'

const PARTITIONS = 4
const BAD = 0
/** More than the look before a start goes over. */
const LATER_RECORDS = 101

const partitionOfUser = (user: string): number =>
  partitionOf(murmur2(Buffer.from(user), 0, Buffer.byteLength(user)), PARTITIONS)
const users = Array.from({ length: 100 }, (_, k) => `user-${k}`)

function view(user: string, k: number): Event {
  return { view_id: `${user}/${k}`, user_id: user, item_id: 'i', event_time: 1_700_000_000_000 + k }
}

it('ends with 1 and the reason', async () => {
  const [world, program] = await Promise.all([InsideWorld.open({ pipeline: { name: 'miskeyed' } }), buildProgram()])
  const stranger = users.find((user) => partitionOfUser(user) !== BAD)!
  const own = users.find((user) => partitionOfUser(user) === BAD)!
  const later = Array.from({ length: LATER_RECORDS }, (_, k) => view(own, k))
  await world.appendTo(BAD, 0, view(stranger, 0), ...later)
  await world.release()
  const node = new NodeProcess(program.folder, join(world.config.node.dataDir, '../config'))
  try {
    const url = await node.ready
    const partitions = async () => ((await (await fetch(`${url}/status`)).json()) as NodeStatus).partitions
    const isSettled = async () => (await partitions()).filter(({ state }) => state === 'live').length === PARTITIONS - 1
    await until('the others', isSettled)
    await until('the stopped one', async () => (await partitions())[BAD].state === 'stopped')
    const reason = expect.stringContaining(`miskeyed-views partition ${BAD} offset 0: `)
    expect((await partitions())[BAD].reason).toEqual(reason)
    expect(await node.terminate()).toBe(1)
    // On the error stream; what is logged last may come behind it.
    const why = `postview: miskeyed-views partition ${BAD} offset 0: `
    expect(node.lines).toContainEqual(expect.stringContaining(why))
  } finally {
    await node.kill()
    await Promise.all([world.close(), program.remove()])
  }
})
