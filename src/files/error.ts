/** A file that cannot be read, or not any further. The message names the file, and the line or record. */
export class FileError extends Error {
  override name = 'FileError'
}

/** A record that will be refused: where it lies, and what is wrong with the file there. */
export interface FileProblem {
  /** Number of the record, from 0: its offset in the chunks. */
  readonly record: number
  /** Number of its line, from 1; 0 where there are no lines. */
  readonly line: number
  readonly reason: string
}

const KEPT_PROBLEMS = 100

/** The first problems of a file, and how many there were. */
export class FileProblems {
  readonly first: FileProblem[] = []
  count = 0

  note(problem: FileProblem): void {
    this.count++
    if (this.first.length < KEPT_PROBLEMS) this.first.push(problem)
  }
}
