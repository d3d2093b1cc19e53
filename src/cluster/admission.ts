/**
 * Whether a node may join its group: before it does, it looks who is there. Nodes whose pipelines differ would make other
 * samples of the same events, depending on which of them owns a partition.
 *
 * Kafka itself keeps out what slips through here: the pipeline's fingerprint is in the name of the group protocol that a
 * member proposes, and a group takes only members that share one (log/kafka/ringAssigner.ts). With
 * `--allow-pipeline-change` a node proposes the others' fingerprints beside its own, where the change is one that can be
 * rolled (pipelineChange.ts).
 *
 * How it fails: an AdmissionError, which is wrong use: one line with both fingerprints and the keys that differ. A member
 * that does not answer may be a ghost, whose session has not run out yet: it is waited for that long, and no longer.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { differingKeys } from '../config/fingerprint.ts'
import type { Pipeline } from '../config/model.ts'
import { dismissGhosts, type GhostOptions } from './ghosts.ts'
import { decodeMember, type MemberInfo } from './member.ts'
import { whyNotRolled } from './pipelineChange.ts'

export class AdmissionError extends Error {
  override name = 'AdmissionError'
}

export interface AdmissionOptions extends GhostOptions {
  readonly id: string
  readonly pipeline: Pick<Pipeline, 'fingerprint' | 'digests' | 'labels'>
  readonly allowChange: boolean
  /** How long a ghost stays in the group. */
  readonly sessionTimeoutMs: number
  readonly onWaiting: (reason: string) => void
}

const LOOK_EVERY_MS = 250
/** Beyond the session: the coordinator looks at sessions now and then. */
const GRACE_MS = 5_000
const SHOWN_DIGITS = 12

/** Resolves with the fingerprints of others beside whose nodes this one may work. */
export async function admit(options: AdmissionOptions): Promise<readonly string[]> {
  const deadlineMs = performance.now() + options.sessionTimeoutMs + GRACE_MS
  let told = ''
  for (;;) {
    const view = await options.log.members(options.group)
    const members = view.members.map(({ info }) => decoded(info, options.group))
    const isLate = performance.now() > deadlineMs
    if (!isLate && (await dismissGhosts(view, options))) continue
    const waiting = view.state === 'moving' ? 'a rebalance is under way' : await obstacle(members, options, isLate)
    // A group that never stands still is left to Kafka, which lets nobody in that does not fit.
    if (waiting === undefined || isLate) {
      const others = members.map(({ fingerprint }) => fingerprint).filter((one) => one !== options.pipeline.fingerprint)
      return [...new Set(others)]
    }
    if (waiting !== told) options.onWaiting(waiting)
    told = waiting
    await sleep(LOOK_EVERY_MS)
  }
}

function decoded(info: Buffer, group: string): MemberInfo {
  const member = decodeMember(info)
  if (member !== undefined) return member
  throw new AdmissionError(`group ${group} has members that are not Postview's, or of another version of it`)
}

/** Throws over a member beside which there is no working; gives what is to be waited for. */
async function obstacle(
  members: readonly MemberInfo[],
  options: AdmissionOptions,
  isLate: boolean,
): Promise<string | undefined> {
  const { id, group, isThere } = options
  let waiting: string | undefined
  for (const member of members) {
    const isOwnName = member.id === id
    const isAlive = isOwnName || mismatchOf(member, options) !== undefined ? await isThere(member) : false
    if (isOwnName && isAlive) {
      throw new AdmissionError(`node ${id} is in group ${group} already, at ${member.url}: give this one another --id`)
    }
    const mismatch = mismatchOf(member, options)
    if (mismatch === undefined) continue
    if (isAlive || isLate) throw new AdmissionError(mismatch)
    waiting = `node ${member.id} of another pipeline is gone, and still in the group`
  }
  return waiting
}

function mismatchOf(member: MemberInfo, { group, pipeline, allowChange }: AdmissionOptions): string | undefined {
  if (member.fingerprint === pipeline.fingerprint) return undefined
  const keys = differingKeys(pipeline.digests, member.digests)
  const [own, others] = [pipeline.fingerprint, member.fingerprint].map((text) => text.slice(0, SHOWN_DIGITS))
  const what =
    `this node's pipeline (${own}) is not that of node ${member.id} (${others}) in group ${group}; ` +
    `pipeline.yaml differs in ${keys.join(', ')}`
  const reason = whyNotRolled(pipeline, member.digests)
  if (reason !== undefined) return `${what}: ${reason}`
  return allowChange ? undefined : `${what}: give all nodes the same, or see --allow-pipeline-change`
}
