/** What is shown of a topic of which some cannot be read. */
import { expect, test } from 'vitest'
import { renderDead, renderGivenUp, renderTail } from '../../src/show/inside.ts'

const SCREEN = { colour: false, width: 100 }
const AWAY = 'without a leader, so not shown: partition 1, 3'
const GIVEN_UP = {
  ...{ writtenAtMs: 0, user: 'u', reason: 'late', topic: 'clicks', partition: 2, offset: 7 },
  ...{ source: null, event: {} },
}

test('partitions without a leader are named, and nobody says that there is nothing', () => {
  const late = { topic: 'late', count: 1, records: [GIVEN_UP] }
  expect(
    renderGivenUp({ ...late, away: [1, 3] }, SCREEN)
      .split('\n')
      .at(-1),
  ).toBe(AWAY)
  expect(renderGivenUp({ ...late, away: [] }, SCREEN)).not.toContain('leader')
  const none = { topic: 'dead', count: 0, records: [], away: [1, 3] }
  for (const shown of [renderGivenUp(none, SCREEN), renderDead(none, SCREEN)]) {
    expect(shown).toBe(`nothing in dead\n${AWAY}`)
  }
  expect(renderDead({ ...none, away: [] }, SCREEN)).toBe('dead is empty')
  const tail = { samples: [], cursor: '', skipped: 0, filtered: 0 }
  expect(renderTail({ ...tail, away: [1, 3] }, SCREEN)).toBe(`no sample\n${AWAY}`)
  expect(renderTail({ ...tail, away: [] }, SCREEN)).toBe('no sample')
})
