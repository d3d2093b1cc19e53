/** Decisions in the dead letters: those that hold are those of the owners whose joins are committed, zombies or not. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Belief } from '../../src/actors/belief.ts'
import { decodeMetadata, encodeMetadata, type Position } from '../../src/actors/position.ts'
import { type Decision, Quarantine } from '../../src/actors/quarantine.ts'
import { newLedger } from '../../src/join/ledger.ts'

const TOPIC = 'views'
/** How far back a replay begins, in events. */
const NEEDED = 6

type Fate = 'joined' | 'dead'

interface Owner {
  readonly name: string
  readonly quarantine: Quarantine
  /** What this owner, and those whose commits it began from, did with each event. */
  readonly fates: Fate[]
}

/** One source, one partition, and whoever believes that the partition is its own. */
class World {
  readonly owners: Owner[] = []
  private readonly letters: Decision[] = []
  private committed = { metadata: encodeMetadata(first()), fates: [] as Fate[], owner: '' }

  private at(): Position {
    const { metadata, fates } = this.committed
    return decodeMetadata(metadata, new Map([[TOPIC, fates.length]]))
  }

  /** Another owner begins: with what the dead letters say now. */
  begin(): void {
    const at = this.at()
    const quarantine = new Quarantine(1, at.deadLettersFrom)
    const belief = new Belief([TOPIC], at)
    for (const [deadOffset, decision] of this.letters.entries()) {
      if (deadOffset >= at.deadLettersFrom && belief.holds(decision, deadOffset))
        quarantine.restore(decision, deadOffset)
    }
    const fates = [...this.committed.fates]
    // Of an event that it has joined, who made the commit may have decided since.
    const since = this.letters.filter(({ owner }) => owner === this.committed.owner).map(({ offset }) => offset)
    for (let offset = at.sources.get(TOPIC)!.neededFrom; offset < fates.length; offset++) {
      if (since.includes(offset)) fates[offset] = 'dead'
      expect(quarantine.has(0, offset) ? 'dead' : 'joined').toBe(fates[offset])
    }
    this.owners.push({ name: `owner-${this.owners.length}`, quarantine, fates })
  }

  /** Any owner of so far takes its next event. */
  take(owner: Owner, isRefused: boolean): void {
    const { quarantine, fates } = owner
    const offset = fates.length
    if (isRefused && !quarantine.has(0, offset)) this.decide(owner, offset)
    fates[offset] = quarantine.has(0, offset) ? 'dead' : 'joined'
  }

  /** It crashes twice over an event that it has joined, when that falls due. */
  crash(owner: Owner, back: number): void {
    const offset = owner.fates.length - 1 - back
    if (offset < 0 || owner.fates[offset] === 'dead') return
    this.decide(owner, offset)
    owner.fates[offset] = 'dead'
  }

  private decide({ name, quarantine }: Owner, offset: number): void {
    quarantine.write(0, offset, true)
    quarantine.written(this.letters.length, 1)
    this.letters.push({ source: 0, offset, owner: name })
  }

  /** The last one alone can. */
  commit(): void {
    const { name, quarantine, fates } = this.owners[this.owners.length - 1]
    const neededFrom = Math.max(0, fates.length - NEEDED)
    quarantine.prune([neededFrom])
    const position: Position = {
      ...first(),
      sources: new Map([[TOPIC, { offset: fates.length, highestMs: 0, neededFrom }]]),
      ...quarantine.readBack,
      owner: name,
    }
    this.committed = { metadata: encodeMetadata(position), fates: [...fates], owner: name }
  }
}

function first(): Position {
  const sources = new Map([[TOPIC, { offset: 0, highestMs: 0, neededFrom: 0 }]])
  return { watermarkMs: 0, sources, deadLettersFrom: 0, ledger: [...newLedger()] }
}

const step = fc.oneof(
  { weight: 2, arbitrary: fc.constant({ doing: 'begin' } as const) },
  { weight: 3, arbitrary: fc.constant({ doing: 'commit' } as const) },
  {
    weight: 1,
    arbitrary: fc.record({ doing: fc.constant('crash' as const), whose: fc.nat(2), back: fc.nat(NEEDED) }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ doing: fc.constant('take' as const), whose: fc.nat(2), isRefused: fc.boolean() }),
  },
)

test('a successor skips what the committed owners had refused, and joins what they had joined', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 60, size: 'max' }), (steps) => {
      const world = new World()
      world.begin()
      for (const one of steps) {
        const owner = (whose: number) => world.owners[Math.max(0, world.owners.length - 1 - whose)]
        if (one.doing === 'begin') world.begin()
        else if (one.doing === 'commit') world.commit()
        else if (one.doing === 'crash') world.crash(owner(one.whose), one.back)
        else world.take(owner(one.whose), one.isRefused)
      }
      world.commit()
      world.begin()
    }),
    { numRuns: 1_000 },
  )
})

test('a commit of an older version has all decisions hold, and one without room for the owners too', () => {
  const decision = { source: 0, offset: 3, owner: 'nobody' }
  const at = { ...first(), sources: new Map([[TOPIC, { offset: 9, highestMs: 0, neededFrom: 0 }]]), owner: 'me' }
  const holds = (position: Position) => {
    const read = decodeMetadata(encodeMetadata(position), new Map([[TOPIC, 9]]))
    return new Belief([TOPIC], read).holds(decision, 7)
  }
  expect(holds(at)).toBe(true)
  expect(holds({ ...at, believed: new Map() })).toBe(false)
  expect(holds({ ...at, believed: new Map([['nobody', 7]]) })).toBe(false)
  expect(holds({ ...at, believed: new Map([['nobody', 8]]) })).toBe(true)
  const many = new Map(Array.from({ length: 400 }, (_, k) => [`owner-${k}`, 1]))
  expect(holds({ ...at, believed: many })).toBe(true)
})
