/**
 * Proof that no write is missing from the middle. RocksDB keeps the newest writes in several log files and does not
 * notice if one of them, not the last, is gone: what came before it and after it is there, and what it held is not.
 * So each write of a partition leaves its number behind, in the column family that it went to, and at the start the
 * numbers must follow on each other. What is missing at the end is no damage: then the journal is what it once was.
 *
 * Numbers are deleted when both families have been flushed since: what lies in a table file cannot be lost unnoticed.
 * The floor says below which number they are.
 */
import type { Database, Family, Operation } from './database.ts'
import { EntryWriter, FRAME_BYTES, payloadOf } from './frame.ts'
import { KEY_BYTES, type Keys, numberOf } from './keys.ts'

const FAMILIES: readonly Family[] = ['segments', 'users']
const PAGE = 1024

export class Serials {
  private readonly database: Database
  private readonly keys: Keys
  private next = 1
  private flushesSeen: number
  /** What may be deleted once the flush that was under way then is over. */
  private flushing = 0
  private readonly floor: Record<Family, number> = { segments: 0, users: 0 }
  private durable = 0

  constructor(database: Database, keys: Keys) {
    this.database = database
    this.keys = keys
    this.flushesSeen = database.flushesBegun
  }

  /** Whether all writes up to some last one are there; continues after it. */
  async begin(): Promise<boolean> {
    const found: number[] = []
    for (const family of FAMILIES) {
      const [floor] = await this.database.read(family, [this.keys.floor])
      if (floor) this.floor[family] = payloadOf(this.keys.floor, floor, 'a floor').readDoubleBE(0)
      for await (const serial of this.stored(family)) found.push(serial)
    }
    const floor = Math.max(this.floor.segments, this.floor.users)
    const serials = found.filter((serial) => serial > floor).sort((a, b) => a - b)
    this.next = floor + serials.length + 1
    return serials.every((serial, i) => serial === floor + i + 1)
  }

  /** What a write to this family carries beside its own operations. Call it in the partition's turn. */
  stamp(family: Family): readonly Operation[] {
    this.noteFlushes()
    const serial = this.next++
    const writer = new EntryWriter(2 * (KEY_BYTES + FRAME_BYTES))
    const operations: Operation[] = [{ put: writer.add(this.keys.serial(serial)) }]
    if (this.durable > this.floor[family]) {
      operations.push({
        deleteFrom: this.keys.serial(this.floor[family]),
        deleteTo: this.keys.serial(this.durable + 1),
      })
      operations.push(this.floorAt(family, this.durable))
    }
    return operations
  }

  /** What the first write of a clearing carries: nothing is missed of what was before. */
  stampClearing(): Operation {
    return this.floorAt('segments', this.next++)
  }

  /** Writes are in turns, so all but the last are over when a flush is seen to have begun, before this one at latest. */
  private noteFlushes(): void {
    if (this.database.flushesBegun > this.flushesSeen) {
      this.flushesSeen = this.database.flushesBegun
      this.flushing = this.next - 2
    } else if (this.database.flushesEnded >= this.flushesSeen) {
      this.durable = Math.max(this.durable, this.flushing)
    }
  }

  private floorAt(family: Family, serial: number): Operation {
    this.floor[family] = serial
    const value = Buffer.allocUnsafe(8)
    value.writeDoubleBE(serial)
    return { put: new EntryWriter(KEY_BYTES + FRAME_BYTES + value.length).add(this.keys.floor, value) }
  }

  private async *stored(family: Family): AsyncIterable<number> {
    let from = this.keys.serial(0)
    for (;;) {
      const page = await this.database.page(family, from, this.keys.serialsEnd, PAGE)
      for (const { key } of page) yield numberOf(key)
      if (page.length < PAGE) return
      from = this.keys.serial(numberOf(page[page.length - 1].key) + 1)
    }
  }
}
