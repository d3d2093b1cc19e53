/** Runs a command of the program in this process, and gives what it wrote and how it would have ended. */
import { vi } from 'vitest'
import { makeProgram } from '../../src/cli/program.ts'

export interface Ran {
  readonly stdout: string
  readonly exitCode: number | string | undefined
}

/** Rejects with what the command throws: `main.ts` turns that into an exit code. */
export async function run(...words: readonly string[]): Promise<Ran> {
  const written: string[] = []
  const spy = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    written.push(String(text))
    return true
  })
  const before = process.exitCode
  process.exitCode = undefined
  try {
    const program = await makeProgram(words[0])
    await program.parseAsync(['node', 'postview', ...words])
    return { stdout: written.join(''), exitCode: process.exitCode }
  } finally {
    process.exitCode = before
    spy.mockRestore()
  }
}
