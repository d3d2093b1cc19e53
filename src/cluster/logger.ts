/** The process's log: pino, one line an event, to stderr; stdout is for what commands answer. */
import { pino } from 'pino'

export function makeLogger(level: string, base: object = {}): pino.Logger {
  return pino({ level, base: { ...base } }, pino.destination({ fd: 2, sync: false }))
}
