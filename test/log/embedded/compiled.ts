/** The log's sources as JavaScript in a folder, for tests that need a second process: Node 20 runs no TypeScript. */
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { translate } from '../../../scripts/translate.mjs'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))

/** Compiles src/log into `folder` and returns the path of the embedded log's module. */
export async function compileLog(folder: string): Promise<string> {
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
  for (const name of await readdir(join(ROOT, 'src/log'), { recursive: true })) {
    if (!name.endsWith('.ts') || name.endsWith('.d.ts') || name.startsWith('kafka')) continue
    const out = join(folder, 'log', name.replace(/\.ts$/, '.js'))
    await mkdir(dirname(out), { recursive: true })
    const source = await readFile(join(ROOT, 'src/log', name), 'utf8')
    await writeFile(out, translate(source, name))
  }
  return join(folder, 'log/embedded/log.js')
}
