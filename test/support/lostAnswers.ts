/**
 * Answers of the broker that get lost: the request is made and does its work, and its caller is told that the connection
 * was closed. And requests or answers that are held, as those of a process that sleeps. In the process's own kafkajs, below
 * everything of the product.
 */
import { createRequire } from 'node:module'
// First, so that kafkajs is patched before anything of it is loaded here.
import '../../src/log/kafka/patch.ts'

export type Call = 'produce' | 'addPartitionsToTxn' | 'addOffsetsToTxn' | 'txnOffsetCommit' | 'endTxn'

const require = createRequire(import.meta.url)
type Method = (this: unknown, request: object) => Promise<unknown>
const prototype = (require('kafkajs/src/broker') as { prototype: Record<Call, Method> }).prototype
const { KafkaJSConnectionError } = require('kafkajs/src/errors') as {
  KafkaJSConnectionError: new (message: string) => Error
}

/** Loses the next `count` answers to such a call of that transactional id. Returns how many were lost so far. */
export function loseAnswers(call: Call, transactionalId: string, count = 1): () => number {
  const original = prototype[call]
  let lost = 0
  prototype[call] = async function (request) {
    const answer = await original.call(this, request)
    const { transactionalId: own } = request as { transactionalId?: string }
    if (own !== transactionalId || lost === count) return answer
    if (++lost === count) prototype[call] = original
    throw new KafkaJSConnectionError('the answer was lost')
  }
  return () => lost
}

export interface Held {
  /** Resolves when the call has come to where it is held. */
  readonly reached: Promise<void>
  release(): void
}

/** Holds the next such call of that transactional id: before its request is made, or its answer. */
export function hold(call: Call, transactionalId: string, what: 'request' | 'answer'): Held {
  const original = prototype[call]
  let reach = () => {}
  let release = () => {}
  const reached = new Promise<void>((resolve) => {
    reach = resolve
  })
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  let isHeld = false
  prototype[call] = async function (request) {
    const { transactionalId: own } = request as { transactionalId?: string }
    if (own !== transactionalId || isHeld) return original.call(this, request)
    isHeld = true
    const wait = () => {
      reach()
      return released
    }
    try {
      if (what === 'request') await wait()
      const answer = await original.call(this, request)
      if (what === 'answer') await wait()
      return answer
    } finally {
      prototype[call] = original
    }
  }
  return { reached, release }
}
