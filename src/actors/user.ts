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
 * What is the same for all users, or made of the name, is not kept in each: nact's constructor would leave 700 bytes an
 * actor, most of them a dozen small objects that every full collection visits. Here they are made when asked for.
 *
 * How it fails: an exception goes to nact's supervision, whose policy is the partition's (`onCrash`).
 */
import { createRequire } from 'node:module'
import type { Ref } from 'nact'

const require = createRequire(import.meta.url)

/** What this file uses of nact's Actor, which nact itself does not type. */
export interface NactActor {
  readonly name: string
  /** None once it is stopped. */
  readonly parent: NactActor | undefined
  reference: Ref<unknown>
  path: ActorPath
  system: NactSystem
  readonly children: Map<string, NactActor>
  childReferences: unknown
  childSpawned: (child: NactActor) => void
  busy: boolean
  stopped: boolean
  handleFault(message: unknown, sender: unknown, error: unknown): Promise<void>
  dispatch(message: unknown, sender?: unknown): void
  processNext(): void
  stop(): void
}

interface NactSystem {
  readonly name: string
}

interface ActorPath {
  createChildPath(name: string): ActorPath
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
const { ActorReference } = require('nact/lib/references') as {
  ActorReference: new (system: string, parent: Ref<unknown>, path: ActorPath, name: string) => Ref<unknown>
}
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

/**
 * The references of a parent's children, which nact keeps in a map beside the children themselves: made when asked for.
 * A child's entry is its entry among the children.
 */
class ChildReferences {
  private readonly children: Map<string, NactActor>

  constructor(children: Map<string, NactActor>) {
    this.children = children
  }

  delete(): boolean {
    return false
  }

  *[Symbol.iterator](): Iterator<[string, Ref<unknown>]> {
    for (const [name, child] of this.children) yield [name, child.reference]
  }
}

/** Spares a parent of many a second map over them, and each child a reference that nobody holds. */
export function slimParent(parent: NactActor): void {
  parent.childReferences = new ChildReferences(parent.children)
  parent.childSpawned = (child) => void parent.children.set(child.name, child)
}

export class UserActor extends Actor {
  /** The user's block; changes when the user's state is rebuilt. */
  user: number
  private readonly behaviour: UserBehaviour
  private queue: unknown

  constructor(parent: NactActor, userId: string, user: number, behaviour: UserBehaviour) {
    super(parent, actorName(userId), parent.system, nothing, properties)
    this.user = user
    this.behaviour = behaviour
    this.queue = undefined
  }

  /** Messages that wait while it is busy, which is only after a fault. */
  get mailbox(): unknown {
    return (this.queue ??= new Queue())
  }
  set mailbox(_: unknown) {}

  /** Messages that wait since the actor is being restarted. */
  get waitingMessages(): number {
    return (this.queue as { length: number } | undefined)?.length ?? 0
  }

  /** Gives the actor its turn, at once when it is not busy: then nact's dispatch has nothing to do but to ask. */
  tell(message: TurnMessage): void {
    if (this.busy || this.stopped) this.dispatch(message, nobody)
    else this.handleMessage(message, nobody)
  }

  handleMessage(message: TurnMessage, sender: unknown): void {
    if (message.look !== undefined) {
      message.look(this.user)
      if (this.queue !== undefined) this.processNext()
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
    if (this.queue !== undefined) this.processNext()
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

/** What nact's constructor would put into each actor: it assigns, and these take nothing. */
const SHARED: Readonly<Record<string, (actor: NactActor) => unknown>> = {
  path: (actor) => (isMade(actor) ? actor.parent?.path.createChildPath(actor.name) : undefined),
  reference: (actor) =>
    isMade(actor) && actor.parent !== undefined
      ? new ActorReference(actor.system.name, actor.parent.reference, actor.path, actor.name)
      : undefined,
  system: (actor) => actor.parent?.system,
  onCrash: () => properties.onCrash,
  afterStop: () => nothing,
  f: () => nothing,
  setTimeout: () => nothing,
  children: () => new Map(),
  childReferences: () => new Map(),
  log: () => undefined,
  state: () => undefined,
  initialState: () => undefined,
  initialStateFunc: () => undefined,
  immediate: () => undefined,
}
for (const [name, of] of Object.entries(SHARED)) {
  Object.defineProperty(UserActor.prototype, name, {
    get(this: NactActor) {
      return of(this)
    },
    set: nothing,
  })
}

/** nact's constructor asks for path and reference only to keep them: until `stopped` is set it is at work. */
function isMade(actor: NactActor): boolean {
  return actor.stopped !== undefined
}

/** nact allows few characters in names. */
function actorName(userId: string): string {
  return /^[\w.-]+$/.test(userId) ? `u-${userId}` : `x-${Buffer.from(userId).toString('base64url')}`
}
