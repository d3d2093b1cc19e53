import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ClusterMap } from '../../src/cluster/map.ts'
import { encodeMember } from '../../src/cluster/member.ts'
import { findNodes } from '../../src/inspect/address.ts'
import { type ControlServer, startControlServer } from '../../src/inspect/server.ts'
import type { NodeStatus } from '../../src/inspect/status.ts'
import { type TempDir, tempDir } from '../support/tempDir.ts'
import { CONTROL, type FakeNode, fakeNode, fakePartition, quiet, readers } from './fakeNode.ts'

const NOW_MS = 1_700_000_100_000
const clock = { wallMs: () => NOW_MS, monotonicMs: () => 0 }

let dir: TempDir
let server: ControlServer | undefined
beforeEach(async () => {
  dir = await tempDir()
})
afterEach(async () => {
  await server?.close()
  server = undefined
  await dir.remove()
})

async function start(node: FakeNode, given: { host?: string; port?: number } = {}): Promise<string> {
  const { host = '127.0.0.1', port = 0 } = given
  server = await startControlServer({
    node,
    readers,
    control: { ...CONTROL, host, port },
    dataDir: dir.path,
    version: '1.2.3',
    logger: quiet,
    clock,
  })
  return server.url
}

const json = async (url: string, path: string) => (await fetch(`${url}${path}`)).json()

/** fetch does not let the Host header be set. */
async function statusWithHost(url: string, host: string): Promise<number | undefined> {
  const { hostname, port } = new URL(url)
  const sent = request({ hostname, port, path: '/health', headers: { host } }).end()
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  response.resume()
  return response.statusCode
}

describe('health and readiness', () => {
  it('is alive as soon as it listens', async () => {
    const node = fakeNode([])
    node.state = 'starting'
    const url = await start(node)
    expect(await json(url, '/health')).toEqual({ alive: true })
    const ready = await fetch(`${url}/ready`)
    expect(ready.status).toBe(503)
    expect(await ready.json()).toEqual({ ready: false, waitingFor: ['the node is starting'] })
  })

  it('is ready when every partition that it has is live', async () => {
    const node = fakeNode([fakePartition(0), fakePartition(2, { isLive: false })])
    const url = await start(node)
    expect(await json(url, '/ready')).toEqual({ ready: false, waitingFor: ['partition 2 is replaying'] })
    node.partitions = [fakePartition(0), fakePartition(2)]
    const ready = await fetch(`${url}/ready`)
    expect(ready.status).toBe(200)
    expect(await ready.json()).toEqual({ ready: true, waitingFor: [] })
  })
})

describe('status', () => {
  it('tells positions, lag, clocks and counts of each partition, and their sums', async () => {
    const node = fakeNode([
      fakePartition(2, {
        position: [90, 40],
        endOffset: [100, 40],
        watermarkMs: NOW_MS - 5000,
        highestMs: [NOW_MS - 1000, NOW_MS],
        ledger: { pending: 8, undecided: 3 },
        recordsJoined: 130,
        paused: 0,
      }),
      fakePartition(1, { position: [5, 5], endOffset: [6, 7], ledger: { pending: 1 } }),
    ])
    const url = await start(node)
    const status = (await json(url, '/status')) as NodeStatus
    expect(status).toMatchObject({
      node: 'node-1',
      url,
      version: '1.2.3',
      log: 'kafka',
      group: 'postview-feed',
      state: 'running',
      partitionCount: 4,
      commits: 12,
      totals: { lag: 13, pendingViews: 9, undecided: 3, recordsJoined: 130 },
    })
    expect(status.partitions.map((p) => p.partition)).toEqual([1, 2])
    expect(status.partitions[1]).toMatchObject({
      state: 'live',
      watermarkLagMs: 5000,
      pendingViews: 8,
      users: 5,
      liveActors: 3,
      restarts: 1,
      transcoded: 6,
      stateBytes: 1000,
      journal: {
        bytesWritten: 2048,
        segmentsWritten: 3,
        segmentsRead: 0,
        viewsStored: 30,
        segmentsRecovered: 11,
        viewsSpilled: 30,
      },
    })
    expect(status.partitions[1].sources).toEqual([
      {
        topic: 'views',
        position: 90,
        end: 100,
        lag: 10,
        lagMs: 1000,
        highestMs: NOW_MS - 1000,
        silenceMs: 0,
        paused: true,
      },
      { topic: 'engagements', position: 40, end: 40, lag: 0, lagMs: 0, highestMs: NOW_MS, silenceMs: 0, paused: false },
    ])
    expect(status.memory.rssBytes).toBeGreaterThan(0)
  })

  it('tells how far a replay is, why a partition is stopped, and which one is being drained', async () => {
    const replay = { reading: 'log', recordsRead: 10, recordsLeft: 90, ratePerS: 5, secondsLeft: 18 } as const
    const stoppedBy = new Error('offsets 3 to 9 are gone')
    const node = fakeNode([
      fakePartition(0, { isLive: false, replay }),
      fakePartition(1, { isLive: false, replay, stoppedBy }),
      fakePartition(2),
      fakePartition(3, { isDraining: true }),
    ])
    const url = await start(node)
    const { partitions } = (await json(url, '/status')) as NodeStatus
    expect(partitions[0]).toMatchObject({ state: 'replaying', replay, reason: null })
    expect(partitions[1]).toMatchObject({ state: 'stopped', replay: null, reason: 'offsets 3 to 9 are gone' })
    expect(partitions[2]).toMatchObject({ state: 'live', replay: null, reason: null })
    expect(partitions[3]).toMatchObject({ state: 'draining', replay: null, reason: null })
    expect(await json(url, '/ready')).toEqual({
      ready: false,
      waitingFor: ['partition 0 is replaying', 'partition 1 is stopped: offsets 3 to 9 are gone'],
    })
  })

  it('has null for what is not known yet', async () => {
    const unknown = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]
    const url = await start(fakeNode([fakePartition(0, { endOffset: unknown })]))
    const { partitions, totals } = (await json(url, '/status')) as NodeStatus
    expect(partitions[0]).toMatchObject({ watermarkMs: null, watermarkLagMs: null })
    expect(partitions[0].sources[0]).toMatchObject({ end: null, lag: null, highestMs: null })
    expect(totals.lag).toBeNull()
  })
})

describe('the ledger', () => {
  it('is summed, and says whether it balances', async () => {
    const ledger = { records: 2, views: 2, samples: 1, pending: 1 }
    const url = await start(fakeNode([fakePartition(0, { ledger }), fakePartition(1, { ledger })]))
    expect(await json(url, '/ledger')).toMatchObject({
      node: 'node-1',
      total: { records: 4, views: 4, samples: 2, pending: 2 },
      balances: true,
    })
  })
})

describe('metrics', () => {
  it('say what the partitions say, by topic and reason', async () => {
    const ledger = { records: 9, views: 5, engagements: 3, refused: 1, samples: 4, pending: 1, late: 1, orphan: 2 }
    const node = fakeNode([
      fakePartition(3, { ledger, position: [5, 1], endOffset: [9, 1], watermarkMs: NOW_MS - 250 }),
    ])
    const url = await start(node)
    const response = await fetch(`${url}/metrics`)
    expect(response.headers.get('content-type')).toMatch(/^text\/plain/)
    const lines = (await response.text()).split('\n')
    for (const line of [
      'postview_records_total{partition="3",kind="view"} 5',
      'postview_records_total{partition="3",kind="refused"} 1',
      'postview_samples_total{partition="3"} 4',
      'postview_transcoded_samples_total{partition="3"} 6',
      'postview_engagements_total{partition="3",outcome="late"} 1',
      'postview_engagements_total{partition="3",outcome="orphan"} 2',
      'postview_dead_letters_total{partition="3",reason="refused"} 1',
      'postview_lag_records{partition="3",topic="views"} 4',
      'postview_watermark_lag_seconds{partition="3"} 0.25',
      'postview_pending_views{partition="3"} 1',
      'postview_state_bytes{partition="3"} 1000',
      'postview_live_actors{partition="3"} 3',
      'postview_actor_restarts_total{partition="3"} 1',
      'postview_journal_bytes_total{partition="3",direction="write"} 2048',
      'postview_journal_users_total{partition="3",direction="read"} 6',
      'postview_journal_views_total{partition="3",direction="write"} 30',
      'postview_commits_total 12',
    ]) {
      expect(lines).toContain(line)
    }
    expect(lines.some((line) => line.startsWith('postview_process_resident_memory_bytes '))).toBe(true)
  })

  it('do not add up from scrape to scrape, and forget partitions that went to another node', async () => {
    const node = fakeNode([fakePartition(3, { ledger: { samples: 4 } })])
    const url = await start(node)
    await fetch(`${url}/metrics`)
    expect(await (await fetch(`${url}/metrics`)).text()).toContain('postview_samples_total{partition="3"} 4')
    node.partitions = [fakePartition(1, { ledger: { samples: 2 } })]
    const text = await (await fetch(`${url}/metrics`)).text()
    expect(text).toContain('postview_samples_total{partition="1"} 2')
    expect(text).not.toContain('partition="3"')
  })
})

describe('where it listens', () => {
  it('refuses an address that is not this machine', async () => {
    await expect(start(fakeNode([]), { host: '0.0.0.0' })).rejects.toThrow(/control.host 0.0.0.0/)
    expect(await findNodes(dir.path)).toEqual([])
  })

  it('refuses requests whose Host header is another name, as a rebound one is', async () => {
    const url = await start(fakeNode([]))
    expect(await statusWithHost(url, 'evil.example')).toBe(403)
    expect(await statusWithHost(url, `evil.example:${new URL(url).port}`)).toBe(403)
    expect(await statusWithHost(url, 'localhost')).toBe(200)
  })

  it('says in one line that its port is taken', async () => {
    const url = await start(fakeNode([]))
    const port = Number(new URL(url).port)
    const second = startControlServer({
      node: fakeNode([], { id: 'node-2' }),
      readers,
      control: { ...CONTROL, port },
      dataDir: dir.path,
      version: '1.2.3',
      logger: quiet,
    })
    await expect(second).rejects.toThrow(`control.port ${port} on 127.0.0.1 is in use`)
    expect((await findNodes(dir.path)).map((node) => node.id)).toEqual(['node-1'])
  })

  it('writes its address for others to find, until it closes', async () => {
    const url = await start(fakeNode([]))
    expect(await findNodes(dir.path)).toMatchObject([{ id: 'node-1', url, pid: process.pid }])
    await server?.close()
    expect(await findNodes(dir.path)).toEqual([])
    await expect(fetch(url)).rejects.toThrow()
  })

  it('answers what it does not have with 404, as JSON', async () => {
    const url = await start(fakeNode([]))
    const response = await fetch(`${url}/nothing?user=secret`)
    expect(response.status).toBe(404)
    expect(await response.json()).toEqual({ error: 'no GET /nothing here' })
  })
})

describe('the cluster', () => {
  it('is told by any node: who is in it, who has what, and who owns a user', async () => {
    const info = encodeMember({
      id: 'node-2',
      folder: 'its own',
      url: 'http://other:7400',
      version: '1',
      fingerprint: 'f',
      digests: {},
      owns: [],
      holds: [],
    })
    const log = {
      members: async () => ({ state: 'stable', members: [{ memberId: 'm', info, partitions: [0, 1, 2, 3] }] }) as const,
    }
    const map = new ClusterMap({ log, group: 'postview-feed', partitionCount: () => 4 })
    const url = await start(fakeNode([], { map }))
    const member = { id: 'node-2', url: 'http://other:7400', version: '1', fingerprint: 'f', partitions: [0, 1, 2, 3] }
    expect(await json(url, '/cluster')).toEqual({
      node: 'node-1',
      group: 'postview-feed',
      partitionCount: 4,
      isMoving: false,
      strangers: 0,
      members: [member],
    })
    expect(await json(url, '/owner?user=u%3A1')).toMatchObject({ owner: member, isHere: false, isMoving: false })
    expect((await fetch(`${url}/owner`)).status).toBe(400)
  })

  it('cannot be told while the coordinator does not answer', async () => {
    const log = { members: () => Promise.reject(new Error('no coordinator')) }
    const map = new ClusterMap({ log, group: 'g', partitionCount: () => 4 })
    const url = await start(fakeNode([], { map }))
    const answer = await fetch(`${url}/cluster`)
    expect([answer.status, await answer.json()]).toEqual([503, { error: 'no coordinator' }])
  })
})
