/**
 * Flat memory for a partition's records: blocks in large buffers, addressed by number.
 *
 * Owns: every byte of a partition's pending state. Millions of small live objects are what kills a JavaScript
 * process, so a pending view is a block here and not an object.
 *
 * Invariants:
 * 1. An address counts units of 16 bytes; 0 is no block. A block keeps its address and its size class for ever, so an
 *    address once given is always the start of a block: what holds a stale one can look, and see by the kind (word 1)
 *    whether it still means what it meant.
 * 2. Word 0 of a free block links to the next free block of its class; word 1 (the kind) is 0.
 * 3. Raw blocks have no words, only bytes: they are never given out as blocks with a kind, nor the other way round, so a
 *    stale address (a timer's) never takes a record's bytes for a kind.
 *
 * How it fails: it does not; memory is bounded by who allocates (usedBytes tells).
 */
const UNIT_BYTES = 16
const CHUNK_UNITS = 1 << 16
const SMALL_UNITS = 64
/**
 * Chunks are cut out of regions: as many at a time as there are already, up to this. V8 counts a buffer as it is made,
 * and answers 7 MB of new ones with a full collection where its own heap is small; the system gives their memory as
 * their chunks are begun.
 */
const MOST_CHUNKS_A_REGION = 32

export interface Chunk {
  readonly bytes: Buffer
  readonly u32: Uint32Array
  readonly f64: Float64Array
}

/** Size classes in units: each up to 64, then steps of an eighth. */
function sizeClasses(): Uint32Array {
  const sizes: number[] = []
  for (let units = 1; units <= SMALL_UNITS; units++) sizes.push(units)
  for (let units = SMALL_UNITS; units < CHUNK_UNITS; ) {
    units = Math.min(CHUNK_UNITS, units + (units >> 3))
    sizes.push(units)
  }
  return Uint32Array.from(sizes)
}

const CLASS_UNITS = sizeClasses()

function classOf(units: number): number {
  if (units <= SMALL_UNITS) return units - 1
  let low = SMALL_UNITS - 1
  let high = CLASS_UNITS.length - 1
  while (low < high) {
    const middle = (low + high) >> 1
    if (CLASS_UNITS[middle] >= units) high = middle
    else low = middle + 1
  }
  return low
}

export class Arena {
  readonly chunks: Chunk[] = []
  /** Bytes in blocks handed out. */
  usedBytes = 0
  /** Bytes of chunks begun. */
  reservedBytes = 0
  private readonly free = new Uint32Array(CLASS_UNITS.length)
  private readonly freeRaw = new Uint32Array(CLASS_UNITS.length)
  /** Chunks that held a huge block and may hold the next: addresses do not run out. */
  private readonly freeChunks: number[] = []
  private current = 0
  private tail = CHUNK_UNITS
  private region = new ArrayBuffer(0)
  private regionAt = 0

  /** A block of at least `sizeBytes`; its contents are whatever was there. */
  allocate(sizeBytes: number): number {
    return this.take(sizeBytes, this.free)
  }

  /** A block for bytes alone (invariant 3). */
  allocateRaw(sizeBytes: number): number {
    return this.take(sizeBytes, this.freeRaw)
  }

  /** Gives back a block that was allocated with this size. */
  release(address: number, sizeBytes: number): void {
    this.giveBack(address, sizeBytes, this.free)
  }

  releaseRaw(address: number, sizeBytes: number): void {
    this.giveBack(address, sizeBytes, this.freeRaw)
  }

  private take(sizeBytes: number, free: Uint32Array): number {
    const units = (sizeBytes + UNIT_BYTES - 1) >>> 4
    if (units > CHUNK_UNITS) return this.allocateHuge(units)
    const index = classOf(units)
    const size = CLASS_UNITS[index]
    this.usedBytes += size * UNIT_BYTES
    const head = free[index]
    if (head !== 0) {
      free[index] = this.chunks[head >>> 16].u32[(head & 0xffff) << 2]
      return head
    }
    while (this.tail + size > CHUNK_UNITS) this.startChunk() // twice where the first chunk's unit 0 is in the way
    const address = ((this.current << 16) | this.tail) >>> 0
    this.tail += size
    return address
  }

  private giveBack(address: number, sizeBytes: number, free: Uint32Array): void {
    const units = (sizeBytes + UNIT_BYTES - 1) >>> 4
    const chunk = this.chunks[address >>> 16]
    const word = (address & 0xffff) << 2
    if (units > CHUNK_UNITS) {
      this.releaseHuge(address >>> 16)
      return
    }
    const index = classOf(units)
    this.usedBytes -= CLASS_UNITS[index] * UNIT_BYTES
    chunk.u32[word] = free[index]
    chunk.u32[word + 1] = 0
    free[index] = address
  }

  private startChunk(): void {
    // What is left at the end of the chunk is given out as blocks of the largest class that fits.
    while (this.chunks.length > 0 && this.tail < CHUNK_UNITS) {
      let index = classOf(CHUNK_UNITS - this.tail)
      if (CLASS_UNITS[index] > CHUNK_UNITS - this.tail) index--
      const address = ((this.current << 16) | this.tail) >>> 0
      this.tail += CLASS_UNITS[index]
      const word = (address & 0xffff) << 2
      const chunk = this.chunks[this.current]
      chunk.u32[word] = this.free[index]
      chunk.u32[word + 1] = 0
      this.free[index] = address
    }
    this.current = this.addChunk(this.cutChunk())
    this.tail = this.current === 0 ? 1 : 0
  }

  private cutChunk(): Chunk {
    if (this.regionAt === this.region.byteLength) {
      const count = Math.min(MOST_CHUNKS_A_REGION, Math.max(1, this.chunks.length))
      this.region = new ArrayBuffer(count * CHUNK_UNITS * UNIT_BYTES)
      this.regionAt = 0
    }
    const chunk = chunkOf(this.region, this.regionAt, CHUNK_UNITS)
    this.regionAt += chunk.bytes.length
    return chunk
  }

  private addChunk(chunk: Chunk): number {
    this.reservedBytes += chunk.bytes.length
    const index = this.freeChunks.pop() ?? this.chunks.length
    this.chunks[index] = chunk
    return index
  }

  private allocateHuge(units: number): number {
    if (this.chunks.length === 0) this.startChunk()
    this.usedBytes += units * UNIT_BYTES
    return (this.addChunk(ownChunk(units)) << 16) >>> 0
  }

  /** A huge block is its own buffer, so giving it back gives the memory back; its small stub keeps the address safe. */
  private releaseHuge(index: number): void {
    const size = this.chunks[index].bytes.length
    this.usedBytes -= size
    this.reservedBytes -= size
    this.chunks[index] = ownChunk(1)
    this.freeChunks.push(index)
  }
}

function ownChunk(units: number): Chunk {
  return chunkOf(new ArrayBuffer(units * UNIT_BYTES), 0, units)
}

function chunkOf(memory: ArrayBuffer, at: number, units: number): Chunk {
  return {
    bytes: Buffer.from(memory, at, units * UNIT_BYTES),
    u32: new Uint32Array(memory, at, units * 4),
    f64: new Float64Array(memory, at, units * 2),
  }
}
