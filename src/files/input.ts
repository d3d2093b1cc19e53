/**
 * The bytes of a file, inflated where its name ends in .gz, with how much of the file itself has been read.
 */
import { createReadStream, type ReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { FileError } from './error.ts'

const READ_BYTES = 128 * 1024

export interface Input {
  readonly path: string
  readonly bytesTotal: number
  bytesRead(): number
  /** Its content; may be iterated once. Fails with a FileError. */
  readonly content: AsyncIterable<Buffer>
  close(): void
}

export async function openInput(path: string): Promise<Input> {
  const bytesTotal = await sizeOf(path)
  let file: ReadStream | undefined
  // Opened when it is read: a stream that nobody reads tells its errors to nobody.
  const open = () => (file = createReadStream(path, { highWaterMark: READ_BYTES }))
  return {
    path,
    bytesTotal,
    bytesRead: () => file?.bytesRead ?? 0,
    content: contentOf(path, open),
    close: () => file?.destroy(),
  }
}

async function sizeOf(path: string): Promise<number> {
  try {
    const found = await stat(path)
    if (!found.isFile()) throw new FileError(`${path}: is not a file`)
    return found.size
  } catch (error) {
    if (error instanceof FileError) throw error
    const code = (error as NodeJS.ErrnoException).code
    throw new FileError(code === 'ENOENT' ? `${path}: no such file` : `${path}: cannot be read: ${code}`)
  }
}

function inflated(file: ReadStream): Readable {
  const gunzip = createGunzip()
  // pipe() hands no errors on.
  file.on('error', (error) => gunzip.destroy(error))
  return file.pipe(gunzip)
}

async function* contentOf(path: string, open: () => ReadStream): AsyncGenerator<Buffer> {
  const file = open()
  const stream: Readable = path.endsWith('.gz') ? inflated(file) : file
  let inflatedBytes = 0
  try {
    for await (const part of stream) {
      inflatedBytes += part.length
      yield part
    }
  } catch (error) {
    throw new FileError(`${path}: cannot be read beyond byte ${inflatedBytes}: ${(error as Error).message}`)
  } finally {
    file.destroy()
  }
}
