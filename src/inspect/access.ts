/**
 * Who may do what at the control server: tokens and their roles. Pure.
 *
 * Invariants:
 * 1. A token is compared by its digest, in constant time, with every known one: neither the time that an answer takes
 *    nor what it says tells how much of a guess was right.
 * 2. Roles are apart: `read` looks, `operate` changes, `privileged` sees ids in full (and looks). A token has the roles
 *    under which the configuration names it. A role that has no token is nobody's.
 * 3. Without any token in the configuration everyone may look and change; that the server then stays on loopback is the
 *    configuration's and the server's to see to.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { ControlConfig, ControlTokens } from '../config/model.ts'

export type Role = keyof ControlTokens

export interface Caller {
  readonly roles: ReadonlySet<Role>
  /** For the rate limit, and for nothing else. */
  readonly name: string
}

const SCHEME = /^Bearer +([\x21-\x7e]+) *$/i
const ALL: Caller = { roles: new Set(['read', 'operate', 'privileged']), name: 'anyone' }
const NOBODY: Caller = { roles: new Set(), name: 'nobody' }

export class Access {
  /** Whether tokens are asked for at all. */
  readonly isGuarded: boolean
  private readonly known: readonly { readonly digest: Buffer; readonly caller: Caller }[]

  constructor(tokens: ControlTokens | undefined) {
    this.isGuarded = tokens !== undefined
    this.known = tokens === undefined ? [] : callersOf(tokens)
  }

  /** Who sends this Authorization header; NOBODY has no role. */
  callerOf(authorization: string | undefined): Caller {
    if (!this.isGuarded) return ALL
    const token = SCHEME.exec(authorization ?? '')?.[1]
    if (token === undefined) return NOBODY
    const given = digestOf(token)
    let found = NOBODY
    for (const { digest, caller } of this.known) if (timingSafeEqual(digest, given)) found = caller
    return found
  }
}

/** What a process of this configuration sends to ask another node: the strongest token that looks. */
export function askingHeaders({ tokens }: Pick<ControlConfig, 'tokens'>): Record<string, string> {
  return bearer(tokens?.privileged[0] ?? tokens?.read[0])
}

/** What it sends to change something, such as to post events. */
export function operatingHeaders({ tokens }: Pick<ControlConfig, 'tokens'>): Record<string, string> {
  return bearer(tokens?.operate[0])
}

function bearer(token: string | undefined): Record<string, string> {
  return token === undefined ? {} : { authorization: `Bearer ${token}` }
}

function callersOf(tokens: ControlTokens): { digest: Buffer; caller: Caller }[] {
  const rolesOf = new Map<string, Set<Role>>()
  for (const role of ['read', 'operate', 'privileged'] as const) {
    for (const token of tokens[role]) {
      const roles = rolesOf.get(token) ?? new Set()
      rolesOf.set(token, roles.add(role))
      if (role === 'privileged') roles.add('read')
    }
  }
  return [...rolesOf].map(([token, roles]) => ({
    digest: digestOf(token),
    caller: { roles, name: [...roles].sort().join('+') },
  }))
}

function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}
