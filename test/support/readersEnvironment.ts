/**
 * The environment of someone who types a command in a terminal: this Node first, and nothing of the npm that runs the
 * tests, which would lead an npm below it back to this checkout.
 */
import { delimiter, dirname } from 'node:path'

const OF_OUTER_NPM = /^(npm_(?!config_)|npm_config_local_prefix$|INIT_CWD$)/

export function readersEnvironment(further: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !OF_OUTER_NPM.test(name))
  const path = `${dirname(process.execPath)}${delimiter}${process.env.PATH}`
  return { ...Object.fromEntries(own), PATH: path, ...further }
}
