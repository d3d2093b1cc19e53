/**
 * What a node tells the other members of its group (Kafka's userData): who it is, where it is asked, what it joins, and
 * which partitions it has at hand. Pure.
 *
 * Invariants:
 * 1. No secret and no value of the configuration travels, only digests of them.
 * 2. What cannot be read is nobody's: another program's member, or a version to come, is told from ours by `undefined`.
 */
import { z } from 'zod'
import { formatNumbers, parseNumbers } from './numbers.ts'

export interface MemberInfo {
  readonly id: string
  /** The name of its data folder, which one process at a time has (dataFolder.ts). */
  readonly folder: string
  /** Where its control server is reached; empty where it has none. */
  readonly url: string
  readonly version: string
  readonly fingerprint: string
  /** By key of pipeline.yaml: a digest of its value (config/fingerprint.ts). */
  readonly digests: Readonly<Record<string, string>>
  /** Partitions whose state lies in its memory, as it joined. */
  readonly owns: readonly number[]
  /** Partitions that its journal holds something of. */
  readonly holds: readonly number[]
}

const VERSION = 2

const shape = z.object({
  v: z.literal(VERSION),
  id: z.string(),
  folder: z.string(),
  url: z.string(),
  version: z.string(),
  fingerprint: z.string(),
  digests: z.record(z.string(), z.string()),
  owns: z.string(),
  holds: z.string(),
})

export function encodeMember(info: MemberInfo): Buffer {
  const { owns, holds } = info
  return Buffer.from(JSON.stringify({ v: VERSION, ...info, owns: formatNumbers(owns), holds: formatNumbers(holds) }))
}

export function decodeMember(bytes: Buffer): MemberInfo | undefined {
  try {
    const { v, owns, holds, ...info } = shape.parse(JSON.parse(bytes.toString()))
    return { ...info, owns: parseNumbers(owns), holds: parseNumbers(holds) }
  } catch {
    return undefined
  }
}
