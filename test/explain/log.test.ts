/**
 * Explaining samples from the log of a node that has stopped: found by id, by user and time, by searching; as emitted, and
 * with the answer that the events were made with.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { deadHeaders } from '../../src/actors/deadLetter.ts'
import { rulesOf } from '../../src/cluster/rules.ts'
import { openSampleTopic } from '../../src/explain/emission.ts'
import { Explainer } from '../../src/explain/explain.ts'
import type { Answer } from '../../src/generate/event.ts'
import { RecordBatchBuilder } from '../../src/log/recordBatch/builder.ts'
import { InsideWorld } from '../support/insideWorld.ts'

let world: InsideWorld
let answers: Map<string, Answer>
let explainer: Explainer

beforeAll(async () => {
  world = await InsideWorld.open()
  answers = await world.generate({ views: 3000, users: 60 })
  const node = await world.start()
  await world.reached('samples', answers.size)
  await node.stop()
  explainer = new Explainer(await world.explainerOptions())
}, 120_000)

afterAll(() => world.close())

/** Of a partition: pending. */
async function lastView() {
  const ends = await world.log.ends([world.topics[0]])
  const { topic, partition, high } = ends.find((each) => each.high > each.low)!
  let id = ''
  for await (const chunk of world.log.readRange(topic, partition, high - 1, high)) {
    const value = chunk.bytes.subarray(chunk.valueAt[0], chunk.valueAt[0] + chunk.valueLength[0])
    id = (world.readers[0].toJson(value, 0) as { view_id: string }).view_id
  }
  return { id, partition, offset: high - 1 }
}

/** A dead letter of that owner says that it took the view out of the join. */
async function decide(partition: number, offset: number, owner: string): Promise<void> {
  const { topics, log, config } = world
  const letter = { source: 0, offset, reason: 'ahead of the clock', decided: true, key: null, value: null }
  const builder = new RecordBatchBuilder({ compression: 'none' })
  builder.add(0, null, 0, 0, null, 0, 0, deadHeaders(topics[0], partition, owner, letter))
  const writer = await log.writer()
  await writer.append(config.pipeline.sideOutputs.deadLetters, partition, builder.finish())
  await writer.close()
}

describe('a sealed sample', () => {
  test('is explained as it was emitted and as its events were made', async () => {
    const some = [...answers.values()].filter((_, i) => i % 100 === 7)
    expect(some.length).toBeGreaterThan(20)
    let counted = 0
    for (const answer of some) {
      const told = await explainer.explain({ sampleId: answer.sampleId })
      expect(told).toMatchObject({ sampleId: answer.sampleId, status: 'sealed' })
      for (const { name, value, delayMs } of told.labels) {
        expect([name, value]).toEqual([name, answer.labels.get(name)])
        expect([name, delayMs]).toEqual([name, answer.delaysMs.get(name)])
      }
      expect(told.emission).toMatchObject({ agrees: true, node: 'node-1', topic: 'samples' })
      expect(told.seal?.watermarkMs).toBeGreaterThan(told.view!.deadlineMs)
      expect(told.notes).toEqual([])
      counted += told.engagements.filter(({ outcome }) => outcome === 'counted').length
    }
    expect(counted).toBeGreaterThan(10)
  })

  test('says which record sealed it, and that record is in the log', async () => {
    const [answer] = answers.values()
    const { seal, view } = await explainer.explain({ sampleId: answer.sampleId })
    expect(seal!.by).toBe('record')
    const { topic, partition, offset, timeMs } = seal!.record!
    const seen: number[] = []
    for await (const chunk of world.log.readRange(topic, partition, offset, offset + 1)) seen.push(...chunk.offset)
    expect(seen[0]).toBe(offset)
    expect(timeMs).toBeGreaterThan(view!.deadlineMs)
  })

  test('is found without a search where user and time are said', async () => {
    const answer = [...answers.values()][1500]
    const searched = await explainer.explain({ sampleId: answer.sampleId })
    expect(searched.search.by).toBe('scan')
    const { userId, timeMs } = searched.view!
    const told = await explainer.explain({ sampleId: answer.sampleId, user: userId, atMs: timeMs })
    expect(told.search.by).toBe('userAndTime')
    expect({ ...told, search: null }).toEqual({ ...searched, search: null })
    expect(told.search.recordsRead).toBeLessThan(searched.search.recordsRead)
  })

  test('of a partition says so where a user is given', async () => {
    const answer = [...answers.values()][900]
    const all = await explainer.explain({ sampleId: answer.sampleId })
    const told = await explainer.explain({ sampleId: answer.sampleId, user: all.view!.userId })
    expect(told.view).toEqual(all.view)
    const other = await explainer.explain({ sampleId: answer.sampleId, user: `${all.view!.userId}x`, atMs: 1 })
    expect(other).toMatchObject({ status: 'notFound', view: null })
  })
})

describe('what is not sealed', () => {
  test('is pending with its labels so far', async () => {
    const { id } = await lastView()
    const told = await explainer.explain({ sampleId: id })
    expect(told).toMatchObject({ status: 'pending', seal: null, emission: null })
    expect(told.labels.map(({ value }) => value)).toEqual(told.labels.map(() => 0))
    expect(told.summary).toContain('Not sealed yet')
  })

  test('is taken out of the join only by those whom the commit believes', async () => {
    const { id, partition, offset } = await lastView()
    const committed = await world.log.committed(world.config.node.group, world.topics)
    const { metadata } = committed.find((each) => each.partition === partition)!
    await decide(partition, offset, 'who lost the partition')
    expect(await explainer.explain({ sampleId: id })).toMatchObject({ status: 'pending', notes: [] })
    await decide(partition, offset, (JSON.parse(metadata) as { o: string }).o)
    expect(await explainer.explain({ sampleId: id })).toMatchObject({ status: 'quarantined' })
  })

  test('no longer, was by whoever says so: the commit believes or doubts only what is needed still', async () => {
    const { sampleId } = [...answers.values()][1]
    const { view } = await explainer.explain({ sampleId })
    await decide(view!.partition, view!.offset, 'an owner of long ago')
    expect(await explainer.explain({ sampleId })).toMatchObject({ status: 'quarantined' })
  })

  test('since nothing was joined yet is told as that, whatever the log will make of it', async () => {
    const { log, config, readers } = world
    const options = { log, pipeline: config.pipeline, rules: rulesOf(config), readers, nowMs: () => 0 }
    const unjoined = new Explainer({ ...options, samples: undefined, asOf: async () => null })
    const [answer] = answers.values()
    const told = await unjoined.explain({ sampleId: answer.sampleId })
    expect(told).toMatchObject({ status: 'pending', seal: null, emission: null })
    expect(told.notes.join()).toContain('nothing was committed by the group yet')
  })

  test('before any node has made the topics of the output is told as that', async () => {
    const { log, config, readers } = world
    const sideOutputs = { late: 'no-late', orphans: 'no-orphans', deadLetters: 'no-dead-letters' }
    const pipeline = { ...config.pipeline, sideOutputs }
    const samples = { ...(await openSampleTopic(config.pipeline))!, topic: 'no-samples' }
    const options = { log, pipeline, rules: rulesOf(config), readers, nowMs: () => 0 }
    const unjoined = new Explainer({ ...options, samples, asOf: async () => null })
    const [answer] = answers.values()
    const told = await unjoined.explain({ sampleId: answer.sampleId })
    expect(told).toMatchObject({ status: 'pending', seal: null, emission: null })
    expect(told.notes).toEqual([expect.stringContaining('nothing was committed by the group yet')])
  })

  test('but was emitted, its commit still to come, is told as emitted', async () => {
    const { log, config, readers } = world
    const options = { log, pipeline: config.pipeline, rules: rulesOf(config), readers, nowMs: () => 0 }
    const samples = await openSampleTopic(config.pipeline)
    const uncommitted = new Explainer({ ...options, samples, asOf: async () => null })
    const [answer] = answers.values()
    const told = await uncommitted.explain({ sampleId: answer.sampleId })
    expect(told).toMatchObject({ status: 'sealed', emission: { agrees: true } })
    expect(told.notes).toEqual([expect.stringContaining('its sample lies in the topic already')])
  })

  test('or is not there at all is told as that', async () => {
    const told = await explainer.explain({ sampleId: 'no such view' })
    expect(told).toMatchObject({ status: 'notFound', engagements: [], view: null })
    const limited = await explainer.explain({ sampleId: 'no such view', mostRecords: 1 })
    expect(limited.notes.join()).toContain('were looked through')
    expect(limited.summary).toMatch(/no view of this id is among the newest \d+\./)
    expect(limited.search.isCut).toBe(true)
    expect(told.search.isCut).toBeUndefined()
  })
})
