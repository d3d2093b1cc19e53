/**
 * TypeScript files as JavaScript in a folder of their own, for tests that start a process: they run what is in src now,
 * not what was built last, and Node 20 reads no types.
 */
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { dirname, join, relative, resolve } from 'node:path'
import { translate } from '../../scripts/translate.mjs'

const ROOT = resolve(import.meta.dirname, '../..')

/** Compiles files, named from the project's root, to the same places below `folder`. */
export async function compileTo(folder: string, files: readonly string[]): Promise<void> {
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  for (const file of files) {
    const source = await readFile(join(ROOT, file), 'utf8')
    const target = join(folder, relative(ROOT, join(ROOT, file)).replace(/\.ts$/, '.js'))
    await mkdir(dirname(target), { recursive: true })
    await writeFile(target, translate(source, file))
  }
}
