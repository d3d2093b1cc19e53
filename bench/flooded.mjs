/** The delay of samples in peace, and while the control server is asked FLOOD_PER_S times a second (flood.mjs). */
import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { measureLatency } from './live.mjs'

const SECONDS = 25
const FLOOD_PER_S = 5000
const CLIENT = fileURLToPath(new URL('flood.mjs', import.meta.url))

export async function measureFlood(world, rate) {
  const quiet = await measureLatency(world, 'flood-quiet', rate, SECONDS)
  const flooded = await measureLatency(world, 'flood-busy', rate, SECONDS, { beside: flood })
  const shown = ({ busy, moving, told }) => ({ busy, ...moving, told })
  return { rate, quiet: shown(quiet), flooded: shown(flooded) }
}

function flood(control) {
  const args = [CLIENT, control, String(FLOOD_PER_S)]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  return async () => {
    child.kill('SIGTERM')
    return JSON.parse(await text(child.stdout))
  }
}
