/**
 * zstd is written by node:zlib alone, which has it only in newer Nodes: a pipeline that asks for it is refused where it
 * is missing. Without that a node would start, and end when it opens its sinks.
 */
import zlib from 'node:zlib'
import { problem } from './check.ts'
import type { Pipeline } from './model.ts'
import type { Problem } from './problem.ts'

/** Whether the running Node has it. */
export function hasZstd(): boolean {
  return (zlib as { zstdCompressSync?: unknown }).zstdCompressSync !== undefined
}

/** Of a pipeline where it is missing. */
export function zstdProblems({ sinks }: Pick<Pipeline, 'sinks'>, file: string): readonly Problem[] {
  const message = `cannot be written by Node ${process.versions.node}: take Node 22.15 or newer, or lz4`
  return sinks.flatMap(({ compression }, i) =>
    compression === 'zstd' ? [problem(file, `sinks.${i}.compression`, message, compression)] : [],
  )
}
