/**
 * Bytes of resident memory per pending view: a node that has read 330,000 views of 100,000 users, and their
 * engagements, with nothing sealed; against the same node with nothing pending, which is measured twice:
 * - idle: started on empty topics, nothing read. What reading needs for itself (buffers, compiled code, a grown heap)
 *   then counts as if the views had needed it: an upper bound.
 * - busy: has read as many events of the same sizes, of few users, whose times lie so far apart that hardly any view is
 *   ever pending: no user's state, and no actor of theirs, but all that reading needs.
 * All after a pause in which memory settles.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { startNode, writeConfig } from './measures.mjs'
import { memoryOf } from './program.mjs'
import { createTopics, load, userOfEach } from './topics.mjs'
import { Workload } from './workload.mjs'

const PENDING_VIEWS = 330_000
const USERS = 100_000
/** Event time that runs so much faster leaves few views within a window. */
const APART = 2_000
const FEW_USERS = 1_000
const SETTLE_MS = 15_000
const LOOK_MS = 500

export async function measurePending(world, name) {
  const idle = await settled(world, `${name}-idle`, null)
  const busy = await settled(world, `${name}-busy`, {
    paceFactor: APART,
    users: FEW_USERS,
    closingUsers: userOfEach(world.built.placeOf),
  })
  const full = await settled(world, `${name}-full`, {})
  return {
    pendingViews: full.pendingViews,
    users: full.users,
    stateBytes: full.stateBytes,
    rss: { idle: idle.rssBytes, busy: busy.rssBytes, full: full.rssBytes },
    busyPendingViews: busy.pendingViews,
    bytesPerView: {
      aboveIdle: (full.rssBytes - idle.rssBytes) / full.pendingViews,
      aboveBusy: (full.rssBytes - busy.rssBytes) / full.pendingViews,
      state: full.stateBytes / full.pendingViews,
    },
  }
}

async function settled(world, name, workload) {
  const topics = [`${name}-views`, `${name}-engagements`]
  const answer =
    workload === null
      ? { events: 0 }
      : await load(world.built, new Workload({ views: PENDING_VIEWS, users: USERS, ...workload }), topics)
  if (workload === null) await createTopics(world.built.log, topics, 'CreateTime')
  const node = startNode(world, writeConfig(world, name, { topics, output: `${name}-samples` }))
  const { control } = await node.started
  let totals
  do {
    await Promise.race([sleep(LOOK_MS), node.child.failed])
    totals = (await (await fetch(`${control}/status`)).json()).totals
  } while (totals.recordsJoined < answer.events)
  await sleep(SETTLE_MS)
  totals = (await (await fetch(`${control}/status`)).json()).totals
  const rssBytes = memoryOf(node.child.pid, 'VmRSS')
  await node.child.stop()
  return { rssBytes, ...totals }
}
