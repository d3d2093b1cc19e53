/**
 * The real broker that integration tests talk to. One serves the whole run (brokerSetup.ts starts it and provides its
 * address); a test that stops, kills or configures its broker starts its own.
 *
 * How it fails: without Java or Maven every test that asks for a broker throws what to install; none is skipped.
 */
import { randomBytes } from 'node:crypto'
import { inject } from 'vitest'
import { type Broker, type BrokerOptions, requireBroker, startBroker } from '../../scripts/broker.mjs'

declare module 'vitest' {
  interface ProvidedContext {
    /** Address of the run's broker; null where the tools for it are missing. */
    brokers: string | null
  }
}

export type { Broker, BrokerOptions }

/** Sessions as short as the tests' own, so that a killed member's partitions are given away soon. */
export const SHORT_SESSIONS = ['group.min.session.timeout.ms=500']

export interface SharedBroker {
  readonly brokers: string
  /** Does nothing where the broker is the run's. */
  stop(): Promise<void>
}

/** The run's broker; where none was started (no global setup), one for this file. For `beforeAll`. */
export async function sharedBroker(): Promise<SharedBroker> {
  const provided = inject('brokers')
  if (typeof provided === 'string') return { brokers: provided, stop: async () => {} }
  return ownBroker({ extra: SHORT_SESSIONS })
}

/** A broker of the caller's own, who stops it. */
export async function ownBroker(options?: BrokerOptions): Promise<Broker> {
  await requireBroker()
  return startBroker({ isBrief: true, ...options })
}

/** A name that no other test uses, on a broker that is shared. */
export function uniqueName(prefix: string): string {
  return `${prefix}-${randomBytes(6).toString('hex')}`
}
