/**
 * A user's actor: the only one that touches that user's records.
 *
 * Owns: nothing but its user's number. The state lies flat in the partition (an actor is a light activation over it);
 * path, mailbox, supervision, reset and stop are nact's.
 *
 * A turn runs in the caller's turn when the actor is not busy (the calling-thread dispatcher of the Akka world): a
 * batch of ten thousand turns costs no promise and no macrotask. When it is busy, which is only after a fault, messages
 * wait in nact's mailbox.
 *
 * How it fails: an exception goes to nact's supervision, whose policy is the partition's (`onCrash`).
 */
import { createRequire } from 'node:module'
import type { Ref } from 'nact'

const require = createRequire(import.meta.url)

/** What this file uses of nact's Actor, which nact itself does not type. */
export interface NactActor {
  readonly name: string
  readonly reference: Ref<unknown>
  system: unknown
  busy: boolean
  stopped: boolean
  handleFault(message: unknown, sender: unknown, error: unknown): Promise<void>
  dispatch(message: unknown, sender?: unknown): void
  processNext(): void
  stop(): void
}

interface Properties {
  readonly onCrash: (message: unknown, error: unknown, context: SupervisionContext) => unknown
  readonly afterStop: () => void
}

export interface SupervisionContext {
  readonly reset: symbol
  readonly stop: symbol
}

type ActorClass = new (
  parent: NactActor,
  name: string,
  system: unknown,
  f: (state: unknown, message: unknown) => unknown,
  properties: Properties,
) => NactActor

const { Actor } = require('nact/lib/actor') as { Actor: ActorClass }
const systemMap = require('nact/lib/system-map') as { find(system: string, reference: unknown): NactActor | undefined }

/** The actor behind a reference: supervisors are reached directly, since a message to a parent copies its children. */
export function actorOf(reference: Ref<unknown>): NactActor {
  const { system } = reference as unknown as { system: { name: string } }
  const actor = systemMap.find(system.name, reference)
  if (actor === undefined) throw new Error('the actor is stopped')
  return actor
}

export interface UserBehaviour {
  /** The turn: runs to its end or throws. */
  turn(user: number): void
  /** The supervisor's decision: resolves once the user's state is whole again. */
  crashed(actor: UserActor, message: TurnMessage, error: unknown): Promise<void>
}

export interface TurnMessage {
  /** Instead of a turn: a look at the user's records, which changes nothing. Never throws. */
  readonly look?: (user: number) => void
  /** Of a turn tried again after a crash: called when it is done, and when it cannot be. */
  readonly done?: () => void
  readonly failed?: (error: unknown) => void
  /** Of a turn tried again: itself, so that further crashes keep the same end. */
  readonly retry?: TurnMessage
}

/** The one message of a batch: a user's records and due times lie in the partition's state. */
export const TURN: TurnMessage = {}

const nobody = { system: { name: undefined }, path: { parts: [] }, type: 'nobody' }
const nothing = (): void => {}

export class UserActor extends Actor {
  /** The user's block; changes when the user's state is rebuilt. */
  user: number
  private readonly behaviour: UserBehaviour
  private lazyChildren?: Map<string, unknown>
  private lazyReferences?: Map<string, unknown>
  private lazyMailbox?: unknown

  constructor(parent: NactActor, userId: string, user: number, behaviour: UserBehaviour) {
    super(parent, actorName(userId), parent.system, nothing, properties)
    this.user = user
    this.behaviour = behaviour
  }

  // nact gives every actor two maps and a queue; of a user they stay empty, so they are made when first asked for.
  get children(): Map<string, unknown> {
    return (this.lazyChildren ??= new Map())
  }
  set children(_: Map<string, unknown>) {}
  get childReferences(): Map<string, unknown> {
    return (this.lazyReferences ??= new Map())
  }
  set childReferences(_: Map<string, unknown>) {}
  get mailbox(): unknown {
    return (this.lazyMailbox ??= new Queue())
  }
  set mailbox(_: unknown) {}

  /** Messages that wait since the actor is being restarted. */
  get waitingMessages(): number {
    return (this.lazyMailbox as { length: number } | undefined)?.length ?? 0
  }

  /** Gives the actor its turn, at once when it is not busy. */
  tell(message: TurnMessage): void {
    this.dispatch(message, nobody)
  }

  handleMessage(message: TurnMessage, sender: unknown): void {
    if (message.look !== undefined) {
      message.look(this.user)
      if (this.lazyMailbox !== undefined) this.processNext()
      return
    }
    this.busy = true
    try {
      this.behaviour.turn(this.user)
    } catch (error) {
      void this.handleFault(message, sender, error)
      return
    }
    this.busy = false
    message.done?.()
    if (this.lazyMailbox !== undefined) this.processNext()
  }

  /** nact's policy hook: one function for all users, told which by the context's actor. */
  supervise(message: TurnMessage, error: unknown): Promise<void> {
    return this.behaviour.crashed(this, message, error)
  }

  override handleFault(message: unknown, sender: unknown, error: unknown): Promise<void> {
    faulty = this
    return super.handleFault(message, sender, error)
  }
}

const Queue = require('denque') as new () => unknown
let faulty: UserActor | undefined

const properties: Properties = {
  onCrash: (message, error, context) => {
    const actor = faulty
    faulty = undefined
    return actor === undefined ? context.stop : actor.supervise(message as TurnMessage, error).then(() => context.reset)
  },
  afterStop: nothing,
}

/** nact allows few characters in names. */
function actorName(userId: string): string {
  return /^[\w.-]+$/.test(userId) ? `u-${userId}` : `x-${Buffer.from(userId).toString('base64url')}`
}
