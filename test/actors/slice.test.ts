import { expect, test } from 'vitest'
import { nextTurn } from '../../src/actors/loopTurn.ts'
import { Slice } from '../../src/actors/slice.ts'

function busy(ms: number): void {
  const untilMs = performance.now() + ms
  while (performance.now() < untilMs);
}

test('long work leaves turns to the event loop, and goes on before other work begins', async () => {
  const slice = new Slice()
  const seen: string[] = []
  let turns = 0
  const counting = setInterval(() => turns++, 0)
  const other = nextTurn().then(() => seen.push('other'))
  await nextTurn()
  const third = nextTurn().then(() => seen.push('third'))
  slice.begin()
  let slices = 0
  for (let step = 0; step < 320; step++) {
    busy(0.3)
    if (!slice.isOver()) continue
    slices++
    await slice.next()
  }
  clearInterval(counting)
  seen.push('long')
  await Promise.all([other, third])
  // 96 ms of work: several slices, each with a turn of the event loop behind it.
  expect(slices).toBeGreaterThan(1)
  expect(turns).toBeGreaterThan(1)
  expect(seen).toEqual(['other', 'long', 'third'])
})
