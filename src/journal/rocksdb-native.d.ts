/**
 * The part of rocksdb-native 3.18.1 that the journal uses; the package ships no types. Read from its sources: whoever
 * raises the version compares them again.
 */
declare module 'rocksdb-native' {
  export interface ColumnFamilyOptions {
    enableBlobFiles?: boolean
    minBlobSize?: number
    blobFileSize?: number
    enableBlobGarbageCollection?: boolean
    /** Of a column family's blob files, the oldest share that a compaction may rewrite. */
    blobGarbageCollectionAgeCutOff?: number
    /** Share of garbage in those files from which a compaction is started for it alone. */
    blobGarbageCollectionForceThreshold?: number
    tableBlockSize?: number
    tableCacheIndexAndFilterBlocks?: boolean
    /** false: none; true: RocksDB's own, of 32 MiB a column family. */
    blockCache?: boolean
    maxWriteBufferNumber?: number
    writeBufferSize?: number
  }

  export class ColumnFamily {
    constructor(name: string, options?: ColumnFamilyOptions)
    readonly name: string
  }

  export interface OpenOptions {
    columnFamily?: ColumnFamily
    columnFamilies?: readonly ColumnFamily[]
    maxBackgroundJobs?: number
    maxOpenFiles?: number
  }

  export interface ReadBatch {
    get(key: Uint8Array): Promise<Buffer | null>
    flush(): Promise<void>
  }

  /** Its buffers are read in another thread until `flush` resolves: leave them alone till then. */
  export interface WriteBatch {
    tryPut(key: Uint8Array, value: Uint8Array): void
    tryDelete(key: Uint8Array): void
    tryDeleteRange(start: Uint8Array, end: Uint8Array): void
    flush(): Promise<void>
  }

  export interface Entry {
    key: Buffer
    value: Buffer
  }

  export default class RocksDB {
    constructor(path: string, options?: OpenOptions)
    static ColumnFamily: typeof ColumnFamily
    ready(): Promise<void>
    session(options: { columnFamily: ColumnFamily }): RocksDB
    read(options?: { capacity?: number; autoDestroy?: boolean; fillCache?: boolean }): ReadBatch
    write(options?: { capacity?: number; autoDestroy?: boolean }): WriteBatch
    iterator(
      range: { gte: Uint8Array; lt: Uint8Array },
      options: { limit: number; capacity: number },
    ): AsyncIterable<Entry>
    flush(): Promise<void>
    close(options?: { force?: boolean }): Promise<void>
    getProperty(name: string): Promise<string | null>
  }
}
