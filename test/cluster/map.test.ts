import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it } from 'vitest'
import { AskError, ask, ClusterMap } from '../../src/cluster/map.ts'
import { encodeMember } from '../../src/cluster/member.ts'
import { murmur2, partitionOf } from '../../src/join/hash.ts'
import type { GroupView } from '../../src/log/port.ts'

const PARTITIONS = 4
const about = (id: string) =>
  encodeMember({
    id,
    folder: id,
    url: `http://${id}:7400`,
    version: '1',
    fingerprint: 'f',
    digests: {},
    owns: [],
    holds: [0],
  })

const stable: GroupView = {
  state: 'stable',
  members: [
    { memberId: 'm2', info: about('two'), partitions: [1, 3] },
    { memberId: 'm1', info: about('one'), partitions: [0, 2] },
    { memberId: 'm3', info: Buffer.from('of another program'), partitions: [] },
  ],
}
const moving: GroupView = { state: 'moving', members: [] }

function mapOf(views: GroupView[], clock = { wallMs: () => 0, monotonicMs: () => 0 }) {
  let asked = 0
  const log = { members: async () => views[Math.min(asked++, views.length - 1)] }
  const map = new ClusterMap({ log, group: 'g', partitionCount: () => PARTITIONS, clock })
  return { map, asked: () => asked }
}

describe('the cluster map', () => {
  it('has the members by id, with what each told and has, and counts those that are no nodes', async () => {
    const { members, isMoving, strangers, partitionCount } = await mapOf([stable]).map.read()
    expect(members.map(({ id, url, partitions, holds }) => [id, url, partitions, holds])).toEqual([
      ['one', 'http://one:7400', [0, 2], [0]],
      ['two', 'http://two:7400', [1, 3], [0]],
    ])
    expect({ isMoving, strangers, partitionCount }).toEqual({ isMoving: false, strangers: 1, partitionCount: 4 })
  })

  it("finds a user's owner by the partition that Kafka's murmur2 gives", async () => {
    const { map } = mapOf([stable])
    for (const user of ['u1', 'ünï', '12345']) {
      const bytes = Buffer.from(user)
      const partition = partitionOf(murmur2(bytes, 0, bytes.length), PARTITIONS)
      const found = await map.ownerOf(user)
      expect([found.partition, found.owner?.id]).toEqual([partition, partition % 2 === 0 ? 'one' : 'two'])
    }
  })

  it('asks the coordinator once for many questions, and again when its answer is old', async () => {
    const clock = { wallMs: () => 0, monotonicMs: () => nowMs }
    let nowMs = 0
    const { map, asked } = mapOf([stable], clock)
    await Promise.all([map.read(), map.read(), map.ownerOf('u')])
    nowMs = 900
    await map.read()
    expect(asked()).toBe(1)
    nowMs = 1000
    await map.read()
    expect(asked()).toBe(2)
  })

  it('says that it is in motion, with what it knew before', async () => {
    let nowMs = 0
    const { map } = mapOf([stable, moving, stable], { wallMs: () => 0, monotonicMs: () => nowMs })
    await map.read()
    nowMs = 2000
    const inMotion = await map.ownerOf('u1')
    expect([inMotion.isMoving, inMotion.owner?.id]).toEqual([true, expect.any(String)])
    nowMs = 4000
    expect((await map.ownerOf('u1')).isMoving).toBe(false)
  })

  it('knows nobody while it has never seen the group stand still', async () => {
    const { owner, isMoving } = await mapOf([moving]).map.ownerOf('u1')
    expect({ owner, isMoving }).toEqual({ owner: undefined, isMoving: true })
  })
})

describe('asking a node', () => {
  it('gives its answer, or says who did not give one and why', async () => {
    const server = createServer((request, response) => {
      response.statusCode = request.url === '/bad' ? 409 : 200
      if (request.url !== '/slow') response.end(JSON.stringify(request.url === '/bad' ? { error: 'moved' } : { a: 1 }))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    expect(await ask({ id: 'n', url }, '/good')).toEqual({ a: 1 })
    await expect(ask({ id: 'n', url }, '/bad')).rejects.toMatchObject({
      status: 409,
      message: /node n at .* 409: moved/,
    })
    await expect(ask({ id: 'n', url }, '/slow', { timeoutMs: 50 })).rejects.toThrow(/nothing within 50 ms/)
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
    await expect(ask({ id: 'n', url }, '/good')).rejects.toThrow(/does not answer: (ECONNREFUSED|UND_ERR_SOCKET)/)
    await expect(ask({ id: 'n', url: '' }, '/good')).rejects.toThrow(AskError)
  })
})
