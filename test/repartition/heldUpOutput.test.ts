/** The leader of one consolidated partition is away: a repartitioner waits for it with its commits, and with no stop. */
import { expect, test } from 'vitest'
import { proxied } from '../support/proxied.ts'
import { until } from '../support/until.ts'
import { RepartitionWorld, T } from './world.ts'

test('a stop does not wait for it, and what was not committed is written again', async () => {
  const world = await RepartitionWorld.open()
  let held = 0
  const log = proxied(world.log, {
    writer: async () => {
      const writer = await world.log.writer()
      return proxied(writer, {
        append: async (topic, partition, batch) => {
          if (partition !== 0) return writer.append(topic, partition, batch)
          held++
          return new Promise<number>(() => {})
        },
      })
    },
  })
  const views = Array.from({ length: 40 }, (_, k) => ({
    source: 'views' as const,
    v: `v${k}`,
    u: `u${k}`,
    i: `i${k}`,
    t: T + k,
  }))
  await world.send(views)
  await world.start(undefined, log)
  await until('output that is held up', () => held > 0)
  await world.stop()
  const group = `${world.config.node.group}-repartition`
  for (const { offset } of await world.log.committed(group, ['views'])) expect(offset).toBeLessThanOrEqual(0)

  await world.start()
  await world.reached('views', 40)
  await world.stop()
  await world.remove()
})
