/**
 * Takes a node's dead processes out of a group, which need not wait for the end of their sessions.
 *
 * Who has this node's own data folder was this node, in a process that is dead: else the folder would not be free. One
 * that answers has a copy of the folder, and is left alone; one that has, and cannot be asked from here, joins anew.
 */
import type { GroupView, Log } from '../log/port.ts'
import { decodeMember, type MemberInfo } from './member.ts'

export interface GhostOptions {
  readonly log: Pick<Log, 'members' | 'dismiss'>
  readonly group: string
  /** The name of this node's data folder, which it has taken. */
  readonly folder: string
  /** Whether this member's process is there, as far as can be told from here. */
  readonly isThere: (member: MemberInfo) => Promise<boolean>
}

/** Resolves with whether there were any in the view of the group. */
export async function dismissGhosts(view: GroupView, options: GhostOptions): Promise<boolean> {
  const { log, group, folder, isThere } = options
  let isAnyGone = false
  for (const { info, memberId } of view.members) {
    const member = decodeMember(info)
    if (log.dismiss === undefined || member?.folder !== folder || (await isThere(member))) continue
    await log.dismiss(group, memberId)
    isAnyGone = true
  }
  return isAnyGone
}
