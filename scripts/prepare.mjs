// Builds dist/ in a clone; does nothing where the compiler is absent (`npm ci --omit=dev`) or the source is (a tarball).
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'

const compiler = new URL('../node_modules/typescript/bin/tsc', import.meta.url)
if (existsSync(compiler) && existsSync(new URL('../src', import.meta.url))) {
  execFileSync(process.execPath, [compiler.pathname, '-p', 'tsconfig.build.json'], { stdio: 'inherit', cwd: new URL('..', import.meta.url) })
}
