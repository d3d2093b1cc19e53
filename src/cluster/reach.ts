/** Where the other nodes reach this one's control server. Pure but for the machine's name. */
import { hostname } from 'node:os'
import type { ControlConfig } from '../config/model.ts'

const EVERYWHERE = new Set(['0.0.0.0', '::', '[::]'])

/** `listening`: as the server tells it, with the port that it got. */
export function reachedAt(listening: string, control: Pick<ControlConfig, 'host' | 'advertise'>, name = hostname()) {
  const { host, advertise = EVERYWHERE.has(host) ? name : undefined } = control
  if (advertise === undefined) return listening
  const { protocol, port } = new URL(listening)
  return `${protocol}//${advertise}:${port}`
}
