import { describe, expect, it } from 'vitest'
import { AdmissionError, type AdmissionOptions, admit } from '../../src/cluster/admission.ts'
import { encodeMember, type MemberInfo } from '../../src/cluster/member.ts'
import { LONGEST_WINDOW } from '../../src/config/fingerprint.ts'
import type { GroupView } from '../../src/log/port.ts'

const OWN = 'a'.repeat(64)
const OTHER = 'b'.repeat(64)
const digests = { [LONGEST_WINDOW]: '1', 'labels.click': '1', 'time.allowedLateness': '1', sinks: '1' }
const label = (name: string, value: number | null) =>
  ({ name, on: name, withinMs: 1000, fold: 'any', default: value }) as const

function viewOf(...members: Partial<MemberInfo>[]): GroupView {
  const infos = members.map((member, i) => {
    const base = {
      id: `other-${i}`,
      folder: `folder-${i}`,
      url: 'http://other:1',
      version: '1',
      fingerprint: OWN,
      digests,
      owns: [],
      holds: [],
    }
    return { memberId: `m${i}`, info: encodeMember({ ...base, ...member }), partitions: [i] }
  })
  return { state: members.length === 0 ? 'empty' : 'stable', members: infos }
}

function asked(views: GroupView[], more: Partial<AdmissionOptions> = {}) {
  let looks = 0
  return admit({
    log: { members: async () => views[Math.min(looks++, views.length - 1)] },
    group: 'g',
    id: 'me',
    folder: 'own',
    pipeline: { fingerprint: OWN, digests, labels: [label('click', 0)] },
    allowChange: false,
    sessionTimeoutMs: 60_000,
    isThere: async () => true,
    onWaiting: () => {},
    ...more,
  })
}

describe('joining a group', () => {
  it('is free where nobody is, or only nodes of the same pipeline', async () => {
    expect(await asked([viewOf()])).toEqual([])
    expect(await asked([viewOf({}, {})])).toEqual([])
  })

  it('is refused beside another pipeline, with both fingerprints and the keys that differ', async () => {
    const other = { id: 'two', fingerprint: OTHER, digests: { ...digests, sinks: '2' } }
    const refused = asked([viewOf({}, other)])
    await expect(refused).rejects.toThrow(AdmissionError)
    await expect(refused).rejects.toThrow(
      "this node's pipeline (aaaaaaaaaaaa) is not that of node two (bbbbbbbbbbbb) in group g; pipeline.yaml differs in sinks: " +
        'give all nodes the same, or see --allow-pipeline-change',
    )
  })

  it('is let in beside it by --allow-pipeline-change, and tells whom it must agree with', async () => {
    const other = { fingerprint: OTHER, digests: { ...digests, sinks: '2' } }
    expect(await asked([viewOf({}, other, other)], { allowChange: true })).toEqual([OTHER])
  })

  it('is refused all the same where the change moves when views are sealed', async () => {
    for (const key of [LONGEST_WINDOW, 'time.allowedLateness', 'time.clockSkewTolerance']) {
      const other = { fingerprint: OTHER, digests: { ...digests, [key]: '2' } }
      await expect(asked([viewOf(other)], { allowChange: true })).rejects.toThrow(
        `a change of ${key} cannot be rolled out; stop all nodes, and start them with it when nothing is pending`,
      )
    }
  })

  it('takes a new label only where it may be null, and none that a label has lost', async () => {
    const own = { fingerprint: OWN, digests: { ...digests, 'labels.buy': '1' } }
    const others = viewOf({ fingerprint: OTHER })
    const withBuy = (value: number | null) => ({ ...own, labels: [label('click', 0), label('buy', value)] })
    const more = { allowChange: true }
    await expect(asked([others], { ...more, pipeline: withBuy(0) })).rejects.toThrow(/labels\.buy .* default: null/)
    expect(await asked([others], { ...more, pipeline: withBuy(null) })).toEqual([OTHER])
    const without = viewOf({ fingerprint: OTHER, digests: { ...digests, 'labels.buy': '1' } })
    expect(await asked([without], more)).toEqual([OTHER])
  })

  it('waits for a ghost of another pipeline until its session has run out', async () => {
    const ghost = viewOf({ fingerprint: OTHER })
    const waits: string[] = []
    const more = { isThere: async () => false, onWaiting: (reason: string) => waits.push(reason) }
    expect(await asked([ghost, ghost, viewOf()], more)).toEqual([])
    expect(waits).toEqual(['node other-0 of another pipeline is gone, and still in the group'])
    // One that stays beyond it lives where it cannot be asked from here.
    await expect(asked([ghost], { ...more, sessionTimeoutMs: -10_000 })).rejects.toThrow(/pipeline/)
  })

  it('waits while the group is in motion', async () => {
    expect(await asked([{ state: 'moving', members: [] }, viewOf({})])).toEqual([])
  })

  it('is refused under a name that a living node has, and not under that of an earlier life', async () => {
    const own = viewOf({ id: 'me' })
    await expect(asked([own])).rejects.toThrow(
      'node me is in group g already, at http://other:1: give this one another --id',
    )
    expect(await asked([own], { isThere: async () => false })).toEqual([])
  })

  it('takes its own dead process out of the group, by whatever name and pipeline it was there', async () => {
    const dismissed: string[] = []
    const ghost = viewOf({}, { folder: 'own', id: 'once', fingerprint: OTHER })
    const views = [ghost, { state: 'moving', members: [] } as const, viewOf({})]
    let looks = 0
    const log = {
      members: async () => views[looks++],
      dismiss: async (group: string, memberId: string) => void dismissed.push(`${group} ${memberId}`),
    }
    expect(await asked([], { log, isThere: async () => false })).toEqual([])
    expect(dismissed).toEqual(['g m1'])
  })

  it('leaves alone a living node that has a copy of its folder', async () => {
    const dismiss = async () => Promise.reject(new Error('dismissed'))
    const log = { members: async () => viewOf({ folder: 'own' }), dismiss }
    expect(await asked([], { log })).toEqual([])
  })

  it('is refused where others than nodes of Postview are in the group', async () => {
    const strange: GroupView = { state: 'stable', members: [{ memberId: 'x', info: Buffer.from('?'), partitions: [] }] }
    await expect(asked([strange])).rejects.toThrow(/not Postview's/)
  })
})
