/** What hostile events hold reaches the operator's terminal as text: nothing of it acts, and no line is anybody else's. */
import { Command } from 'commander'
import { describe, expect, it, test } from 'vitest'
import { COMMANDS } from '../../src/shell/commands.ts'
import { complete, NOTHING_KNOWN } from '../../src/shell/complete.ts'
import { addCommands } from '../../src/shell/run.ts'
import type { Screen } from '../../src/show/screen.ts'

/** Sets the clipboard, clears the screen (as C0 and as C1), fakes a line, turns the direction of reading. */
const HOSTILE = 'u\x1b]52;c;aGk=\x07\x1b[2J\x9b2J\nit balances\r\u2028\u202e\u2066\x7f\x00'
const ACTING = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/u

const PLACE = { topic: 'views', partition: 0, offset: 7 }
const BOUND = { ...PLACE, timeMs: 1, value: 1, itemId: HOSTILE, viewId: HOSTILE, engagementId: HOSTILE, type: HOSTILE }
const NOTE = { user: HOSTILE, atMs: 1, error: HOSTILE, culprit: PLACE, quarantined: true }
const LABELS = { labels: { click: 1 }, delaysMs: { click: 5 } }

const SAMPLE = {
  ...{ sample_id: HOSTILE, user_id: HOSTILE, item_id: HOSTILE, view_time: 1 },
  ...{ labels: { click: 1 }, delays_ms: { click: 1 }, late_view: true },
}
const GIVEN_UP = {
  topic: 'late',
  count: 1,
  records: [{ ...PLACE, writtenAtMs: 1, user: HOSTILE, reason: HOSTILE, source: null, event: { [HOSTILE]: HOSTILE } }],
}
const EXPLANATION = {
  ...{ sampleId: HOSTILE, status: 'pending', summary: HOSTILE, seal: null, emission: null, engagementsLeftOut: 0 },
  view: { ...PLACE, timeMs: 1, deadlineMs: 2, source: null, userId: HOSTILE, itemId: HOSTILE, copies: [] },
  labels: [{ name: 'click', on: HOSTILE, fold: 'any', withinMs: 1, value: 1, delayMs: 1, counted: [] }],
  engagements: [{ ...BOUND, delayMs: 1, outcome: 'counted', reason: HOSTILE, source: null }],
  notes: [HOSTILE],
  search: { by: 'id', recordsRead: 1, tookMs: 1 },
}
const PARTITION = {
  ...{ partition: 0, node: 'a', state: 'live', sources: [], restartNotes: [NOTE], imbalance: [] },
  ...{ journal: { bytesKept: 1, bytesWritten: 1, bytesRead: 1 }, mailboxes: {}, timers: {}, stateBytes: 1 },
  ...{ bufferedBytes: 1, watermarkMs: 1, watermarkLagMs: 1 },
}
const USER = {
  ...{ user: HOSTILE, state: 'live', partition: 0, node: 'a', lastRestart: NOTE, partitionLive: true, bytes: 1 },
  ...{ watermarkMs: 1, pendingCount: 1, waitingCount: 1, rememberedCount: 1, timersCount: 1 },
  pendingViews: [{ ...PLACE, ...LABELS, sampleId: HOSTILE, itemId: HOSTILE, timeMs: 1, inMs: 1 }],
  waiting: [{ ...BOUND, inMs: 1, wouldJoin: HOSTILE }],
  timers: [{ does: 'seal', what: HOSTILE, inMs: 1 }],
}
const USERS = { inMemory: 1, liveActors: 1, stored: 1, users: [{ user: HOSTILE, node: 'a', bytes: 1 }], silent: [] }
const DEAD = {
  topic: 'dead',
  count: 1,
  records: [{ ...PLACE, writtenAtMs: 1, key: HOSTILE, reason: HOSTILE, source: null, valueBytes: 1 }],
}

const ANSWERS: readonly (readonly [command: string, answer: unknown])[] = [
  ['users', USERS],
  ['user u', USER],
  ['tail', { samples: [{ ...PLACE, producedAtMs: 1, node: 'a', sample: SAMPLE }], skipped: 0 }],
  ['late', GIVEN_UP],
  ['dead', DEAD],
  ['partition 0', PARTITION],
  ['explain s', EXPLANATION],
]

const SCREENS: readonly (number | undefined)[] = [undefined, 60]

async function shown(words: string, answer: unknown, screen: Screen): Promise<string> {
  const written: string[] = []
  const program = new Command('postview').exitOverride()
  const surface = { ask: async () => answer, screen: () => screen, write: (text: string) => void written.push(text) }
  addCommands(
    program,
    () => surface,
    () => {},
  )
  await program.parseAsync(words.split(' '), { from: 'user' })
  return written.join('')
}

describe.each(ANSWERS)('%s', (words, answer) => {
  it.each(SCREENS)('shows what would act on a terminal (of %s columns)', async (width) => {
    const text = await shown(words, answer, { width, colour: false })
    const lines = text.trimEnd().split('\n')
    for (const line of lines) expect(line).not.toMatch(ACTING)
    expect(lines).not.toContain('it balances')
    expect(text).toContain('\\x1b')
  })

  it('is the same JSON, without what would act', async () => {
    const text = await shown(`${words} --json`, answer, { width: 60, colour: false })
    for (const line of text.trimEnd().split('\n')) expect(line).not.toMatch(ACTING)
    expect(JSON.parse(text)).toEqual(answer)
  })
})

test('completion does not offer what cannot be typed', () => {
  const known = { ...NOTHING_KNOWN, users: [HOSTILE, 'u-1'], samples: [HOSTILE, 'v-1'] }
  expect(complete('user ', COMMANDS, known)[0]).toEqual(['u-1 '])
  expect(complete('explain ', COMMANDS, known)[0]).toEqual(['v-1 '])
})
