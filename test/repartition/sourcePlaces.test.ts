/**
 * What became no sample of a repartitioned pipeline says where it was produced, beside where it was joined from: also
 * what was read before a restart; and recovery still finds what was taken out of the join.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { PartitionOutput } from '../../src/actors/output.ts'
import type { BeforeRecord } from '../../src/join/turn.ts'
import type { RecordHeader } from '../../src/log/recordBatch/builder.ts'
import { joinReaders } from '../../src/repartition/open.ts'
import { nowhere } from '../../src/sinks/lines.ts'
import { Durations } from '../../src/time/durations.ts'
import { type Found, RepartitionWorld, type SentEvent, type SentPlace, T } from './world.ts'

const at = (ms: number): number => T + ms
/** Two items whose records lie in different partitions of the sources. */
const ITEMS = ['a', 'b']

let world: RepartitionWorld
beforeAll(async () => {
  world = await RepartitionWorld.open()
}, 60_000)
afterAll(() => world.remove())

const sourceIn = ({ headers }: Found): SentPlace => ({
  topic: headers.get('source_topic')!,
  partition: Number(headers.get('source_partition')),
  offset: Number(headers.get('source_offset')),
})

const sourceOf = ({ value }: Found): SentPlace => {
  const told = JSON.parse(String(value)) as Record<string, unknown>
  return {
    topic: String(told.source_topic),
    partition: Number(told.source_partition),
    offset: Number(told.source_offset),
  }
}

/** A bug that every event of the user runs into. */
function crashOn(user: string): BeforeRecord {
  return (batch, i) => {
    const at = batch.userAt[i]
    if (batch.text.toString('utf8', at, at + batch.userLength[i]) === user) throw new Error('seeded')
  }
}

test('dead letters and side outputs name the source topic, partition and offset', { timeout: 60_000 }, async () => {
  // Crashes its user's actor whenever it is taken.
  await world.start(crashOn('poison'))
  const orphans = ITEMS.map((i): SentEvent => ({ source: 'clicks', v: 'none', u: 'ann', i, t: at(1_000) }))
  const outside = ITEMS.map((i): SentEvent => ({ source: 'clicks', v: `v-${i}`, u: 'ann', i, t: at(12_000) }))
  const views = ITEMS.map((i): SentEvent => ({ source: 'views', v: `v-${i}`, u: 'ann', i, t: at(500) }))
  const bad = ITEMS.map((i): SentEvent => ({ source: 'clicks', i, t: at(0) }))
  const poison: SentEvent = { source: 'clicks', v: 'v-a', u: 'poison', i: 'a', t: at(2_000) }
  await world.send(views)
  const orphanPlaces = await world.send(orphans)
  const badPlaces = await world.send(bad)
  const [poisonPlace] = await world.send([poison])
  const outsidePlaces = await world.send(outside)
  await world.reached('records', 9)
  await world.reached('engagementsQuarantined', 1)
  // Nothing is decided yet: what a restart reads back from the journal says it too.
  expect(world.count('undecided')).toBe(4)
  await world.stop()

  await world.start(crashOn('poison'))
  await world.close(60_000)
  await world.reached('samples', 2)
  await world.reached('orphan', 2)
  await world.reached('outside', 2)
  // The poisoned one was taken out by the dead letters that were read back: it crashes nobody again.
  expect(world.node.partitions.reduce((sum, { users }) => sum + users.restarts, 0)).toBe(0)
  await world.stop()

  const [orphan, late, dead] = await Promise.all(['orphans', 'late', 'dead'].map((topic) => world.readAll(topic)))
  expect(sorted(orphan.map(sourceOf))).toEqual(sorted(orphanPlaces))
  expect(sorted(late.map(sourceOf))).toEqual(sorted(outsidePlaces))
  expect(sorted(dead.map(sourceIn))).toEqual(sorted([...badPlaces, poisonPlace]))
  // As before: where they were joined from, which recovery goes by; and the event's own fields, and no others.
  expect(dead.map(({ headers }) => headers.get('topic'))).toEqual(['all', 'all', 'all'])
  const { topic, partition, offset, reason, source_topic, source_partition, source_offset, ...own } = JSON.parse(
    String(orphan[0].value),
  ) as Record<string, unknown>
  expect([topic, reason, own.u, own.v, own.t]).toEqual(['all', 'orphan', 'ann', 'none', at(1_000)])
  expect(Object.keys(own).sort()).toEqual(['i', 't', 'u', 'v'])
  const poisoned = dead.find(({ headers }) => headers.get('decided') === '1')!
  expect(JSON.parse(String(poisoned.value))).toEqual({ v: 'v-a', u: 'poison', i: 'a', t: at(2_000) })
})

test('an event of before that crashed its actor when it fell due says it by what was kept of it', () => {
  const dead: { readonly value: string; readonly headers: readonly RecordHeader[] }[] = []
  const deadLetters = {
    ...nowhere,
    add(...args: Parameters<typeof nowhere.add>) {
      const [, , , , , value, at, length, headers] = args
      dead.push({ value: Buffer.from(value?.subarray(at, at + length) ?? []).toString(), headers: headers! })
    },
  }
  const output = new PartitionOutput({
    outputBytes: 1 << 20,
    partition: 1,
    owner: 'me',
    outlets: { samples: [], late: nowhere, orphans: nowhere, deadLetters },
    topics: ['all'],
    readers: joinReaders(world.config.pipeline, world.sources),
    emissions: new Durations(),
    onDead: () => {},
  })
  const event = { source: 0, offset: 7, reason: 'crashed', decided: true, key: null }
  const header = 'clicks 2 40 json'
  const kept = Buffer.from(`{}\x02\x0corigin${String.fromCharCode(2 * header.length)}${header}`)
  output.deadEvent({ ...event, value: kept }, T)
  // A view's bytes are kept alone, and are spilled or given up.
  output.deadEvent({ ...event, value: Buffer.from('{"view":1}') }, T)
  output.deadEvent({ ...event, value: null }, T)
  expect(dead.map(({ value }) => value)).toEqual(['{}', '{"view":1}', ''])
  const headers = dead.map((one) => Object.fromEntries(one.headers.map(([name, bytes]) => [name, String(bytes)])))
  const place = { topic: 'all', partition: '1', offset: '7', reason: 'crashed', decided: '1', owner: 'me' }
  expect(headers).toEqual([
    { ...place, source_topic: 'clicks', source_partition: '2', source_offset: '40' },
    place,
    place,
  ])
})

const sorted = (places: readonly SentPlace[]): string[] =>
  places.map(({ topic, partition, offset }) => `${topic} ${partition} ${offset}`).sort()
