/** What an actor's state is rebuilt from: where the journal has not all of it, from the log. */
import { expect, test } from 'vitest'
import { Restarter } from '../../src/actors/restarter.ts'
import { rulesOf } from '../../src/cluster/rules.ts'
import { admit, gather } from '../../src/join/batch.ts'
import * as B from '../../src/join/blocks.ts'
import { EventBatch } from '../../src/join/event.ts'
import * as L from '../../src/join/layout.ts'
import { JoinState } from '../../src/join/state.ts'
import { takeTurn } from '../../src/join/turn.ts'
import { newContents, openMemoryPartition } from '../../src/journal/memory.ts'
import { systemClock } from '../../src/time/clock.ts'
import { PARTITIONS, TOPICS } from '../support/crashPipeline.ts'
import { openPipeline } from '../support/histories.ts'
import { EventLog, usersNamed } from '../support/lives.ts'
import { tempDir } from '../support/tempDir.ts'

const START_MS = 1_700_000_000_000

test('what comes from the log lies in no segment, so that its views are never spilled to one', async () => {
  const dir = await tempDir()
  const { config, readers } = await openPipeline(dir.path)
  await dir.remove()
  const [user] = usersNamed('user', 1)
  const events = new EventLog()
  for (let k = 0; k < 4; k++) events.add(0, user, START_MS + k, { view_id: `v${k}`, surface: 'feed' })
  const state = new JoinState(rulesOf(config), TOPICS.length)
  const keying = { partition: 0, partitions: PARTITIONS }
  const batch = new EventBatch()
  const position = new Float64Array(TOPICS.length)
  const admitNext = (to: number): number => {
    readers[0].read(events.log.chunk(TOPICS[0], 0, position[0], to), batch)
    state.segment++
    admit(state, batch, { source: 0, ...keying, wallMs: START_MS })
    gather(state)
    return state.touched.items[0]
  }
  takeTurn(state, admitNext(3))
  position[0] = 3
  const restarter = new Restarter({
    ...{ state, readers, keying, position, partition: 0, topics: TOPICS, clock: systemClock },
    journal: openMemoryPartition(newContents()),
    // As behind a shared snapshot that was taken here.
    journalWholeFrom: () => [...position],
    readLog: (source, from, to) => events.log.readRange(TOPICS[source], 0, from, to),
    onTrouble(error) {
      throw error
    },
    isQuarantined: () => false,
    quarantine() {},
  })
  const failing = admitNext(4)
  restarter.mark()
  state.turnRecord = 0
  const rebuilt = await restarter.restart(failing, new Error('a fault of the test'))
  const segments: number[] = []
  for (let view = B.u32(state.arena, rebuilt, L.U_VIEWS); view !== 0; view = B.u32(state.arena, view, L.NEXT)) {
    segments.push(B.u32(state.arena, view, L.V_SEGMENT))
  }
  expect(segments).toEqual([0, 0, 0])
})
