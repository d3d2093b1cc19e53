/**
 * Where answers are written. That the reader of a pipe leaves (`| head`) is no failure: what is done for its own sake
 * (events that are generated, files that are joined, a node) goes on to its end, what is there to be read ends, and
 * neither says a word about it.
 */
const left = new AbortController()

/** Aborted once nobody reads what is written to stdout. */
export const readerLeft: AbortSignal = left.signal

/** The reason of `readerLeft`: what rejects with it did not fail. */
export class ReaderLeft extends Error {
  override name = 'ReaderLeft'
}

export function outliveReaders(): void {
  process.stdout.on('error', (error) => {
    passBrokenPipe(error)
    left.abort(new ReaderLeft('nobody reads stdout'))
  })
  process.stderr.on('error', passBrokenPipe)
}

function passBrokenPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error
}
