/**
 * The join with one bug sown into it: a copy of src/join (and of what drives it in tests) in a temporary folder, with one
 * text replaced by another, loaded as one module of its own (file by file, most of the time would go into transforming
 * them). The product has no switch for this.
 *
 * Fails: where the text to replace is not there exactly once, so that a bug cannot be sown beside the mark.
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { rolldown } from 'rolldown'
import type { ComparedJoin } from '../support/compare.ts'
import type { OracleConfig, OracleEvent } from '../support/pureJoin.ts'

export interface Bug {
  readonly name: string
  /** The file under src/join. */
  readonly file: string
  readonly old: string
  readonly new: string
}

/** A join that can also be started from a commit, as PureJoin of test/support can. */
export interface SeededJoin extends ComparedJoin {
  replay(events: readonly OracleEvent[], below: number): void
  finishReplay(watermarkMs: number, highestMs: readonly number[], ledger: ArrayLike<number>): void
  readonly state: {
    readonly clocks: { readonly watermarkMs: number; readonly highestMs: Float64Array }
    readonly ledger: Float64Array
    readonly needed: readonly { lowest(none: number): number }[]
  }
}

export type SeededModule = { readonly PureJoin: new (config: OracleConfig) => SeededJoin }

const projectFolder = fileURLToPath(new URL('../..', import.meta.url))
const folders: string[] = []

/** The join with these bugs; none gives the copy as it is. */
export async function sow(...bugs: readonly Bug[]): Promise<SeededModule> {
  const folder = mkdtempSync(join(tmpdir(), 'postview-seeded-'))
  folders.push(folder)
  cpSync(join(projectFolder, 'src/join'), join(folder, 'src/join'), { recursive: true })
  mkdirSync(join(folder, 'test/support'), { recursive: true })
  cpSync(join(projectFolder, 'test/support/pureJoin.ts'), join(folder, 'test/support/pureJoin.ts'))
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }\n')
  for (const bug of bugs) {
    const path = join(folder, 'src/join', bug.file)
    const source = readFileSync(path, 'utf8')
    const parts = source.split(bug.old)
    if (parts.length !== 2)
      throw new Error(`${bug.name}: the text is ${parts.length - 1} times in ${bug.file}, not once`)
    writeFileSync(path, parts.join(bug.new))
  }
  const bundle = await rolldown({
    input: join(folder, 'test/support/pureJoin.ts'),
    platform: 'node',
    logLevel: 'silent',
  })
  const file = join(folder, 'seeded.mjs')
  await bundle.write({ file, format: 'esm' })
  await bundle.close()
  return (await import(pathToFileURL(file).href)) as SeededModule
}

export function removeSeeded(): void {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
}
