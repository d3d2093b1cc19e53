/**
 * The few file operations that the embedded log rests on, each saying what is durable when it resolves.
 *
 * Fails: with the system's own error; callers say what it means.
 */
import { type FileHandle, open, rename } from 'node:fs/promises'

/** Makes names created, renamed or removed in a folder durable. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Replaces a file's content in one step: after a crash it is the old or the new, whole. */
export async function replaceFile(folder: string, name: string, content: string): Promise<void> {
  const temporary = `${folder}/${name}.tmp`
  const handle = await open(temporary, 'w')
  try {
    await handle.writeFile(content)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(temporary, `${folder}/${name}`)
  await syncFolder(folder)
}

/** Writes all buffers at `position`: the system may take fewer bytes than it was given. */
export async function writeAll(handle: FileHandle, buffers: readonly Buffer[], position: number): Promise<void> {
  let left = buffers.filter((buffer) => buffer.length > 0)
  let at = position
  while (left.length > 0) {
    const { bytesWritten } = await handle.writev(left, at)
    if (bytesWritten === 0) throw new Error('the file takes no more bytes')
    at += bytesWritten
    left = without(left, bytesWritten)
  }
}

function without(buffers: readonly Buffer[], bytes: number): Buffer[] {
  const rest: Buffer[] = []
  let skip = bytes
  for (const buffer of buffers) {
    if (skip < buffer.length) rest.push(buffer.subarray(skip))
    skip = Math.max(0, skip - buffer.length)
  }
  return rest
}

/** Up to `length` bytes of an open file from `at` on; fewer where it ends. */
export async function readAt(handle: FileHandle, at: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(length)
  let filled = 0
  while (filled < length) {
    const { bytesRead } = await handle.read(bytes, filled, length - filled, at + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return filled === length ? bytes : bytes.subarray(0, filled)
}
