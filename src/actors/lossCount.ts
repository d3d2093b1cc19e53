/**
 * After a loss that was accepted: the ledger's pending views and undecided engagements are those that there still are;
 * the others are counted as lost, so that it balances and says so.
 */
import * as B from '../join/blocks.ts'
import * as L from '../join/layout.ts'
import { ENGAGEMENTS_LOST, PENDING, UNDECIDED, VIEWS_LOST } from '../join/ledger.ts'
import { countsOf } from '../join/snapshot.ts'
import type { JoinState } from '../join/state.ts'
import { AWAKE_MS, type PartitionJournal } from '../journal/port.ts'

export async function countLost(s: JoinState, journal: PartitionJournal): Promise<void> {
  let pending = 0
  let undecided = 0
  s.users.forEach((user) => {
    pending += B.u32(s.arena, user, L.U_PENDING)
    for (let e = B.u32(s.arena, user, L.U_UNDECIDED); e !== 0; e = B.u32(s.arena, e, L.NEXT)) undecided++
  })
  for await (const { key, dueMs } of journal.wakes()) {
    if (dueMs === AWAKE_MS) continue
    const [stored] = await journal.getUsers([key])
    if (stored === null) continue
    const counts = countsOf(stored)
    pending += counts.pending
    undecided += counts.undecided
  }
  s.ledger[VIEWS_LOST] += s.ledger[PENDING] - pending
  s.ledger[ENGAGEMENTS_LOST] += s.ledger[UNDECIDED] - undecided
  s.ledger[PENDING] = pending
  s.ledger[UNDECIDED] = undecided
}
