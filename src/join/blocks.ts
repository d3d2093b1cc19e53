/**
 * Reading a block's parts: small accessors over layout.ts, for where speed does not ask for the words themselves.
 */
import type { Arena } from './arena.ts'
import { compareBytes, murmur2, sameBytes } from './hash.ts'
import * as L from './layout.ts'

export function u32(arena: Arena, address: number, word: number): number {
  return arena.chunks[address >>> 16].u32[((address & 0xffff) << 2) + word]
}

export function setU32(arena: Arena, address: number, word: number, value: number): void {
  arena.chunks[address >>> 16].u32[((address & 0xffff) << 2) + word] = value
}

export function f64(arena: Arena, address: number, at: number): number {
  return arena.chunks[address >>> 16].f64[((address & 0xffff) << 1) + at]
}

export function setF64(arena: Arena, address: number, at: number, value: number): void {
  arena.chunks[address >>> 16].f64[((address & 0xffff) << 1) + at] = value
}

export function bytesOf(arena: Arena, address: number): Buffer {
  return arena.chunks[address >>> 16].bytes
}

/** Where in `bytesOf` a block begins. */
export function byteAt(address: number): number {
  return (address & 0xffff) << 4
}

export function kindOf(arena: Arena, address: number): number {
  return u32(arena, address, L.KIND) & 0xff
}

export function hasFlag(arena: Arena, address: number, flag: number): boolean {
  return (u32(arena, address, L.KIND) & flag) !== 0
}

export function setFlag(arena: Arena, address: number, flag: number): void {
  const words = arena.chunks[address >>> 16].u32
  words[((address & 0xffff) << 2) + L.KIND] |= flag
}

export function clearFlag(arena: Arena, address: number, flag: number): void {
  const words = arena.chunks[address >>> 16].u32
  words[((address & 0xffff) << 2) + L.KIND] &= ~flag
}

export function userTextAt(address: number): number {
  return byteAt(address) + L.U_HEADER_BYTES
}

export function userText(arena: Arena, user: number): string {
  const at = userTextAt(user)
  return bytesOf(arena, user).toString('utf8', at, at + u32(arena, user, L.U_LENGTH))
}

export function viewIdLength(arena: Arena, view: number): number {
  return u32(arena, view, L.V_LENGTHS) & 0xffff
}

export function viewItemLength(arena: Arena, view: number): number {
  return u32(arena, view, L.V_LENGTHS) >>> 16
}

export function viewIdAt(view: number): number {
  return byteAt(view) + L.V_HEADER_BYTES
}

export function viewItemAt(arena: Arena, view: number): number {
  return viewIdAt(view) + viewIdLength(arena, view)
}

export function viewBlockBytes(arena: Arena, view: number): number {
  return L.V_HEADER_BYTES + viewIdLength(arena, view) + viewItemLength(arena, view)
}

export function compareViewIds(arena: Arena, a: number, b: number): number {
  return compareBytes(
    bytesOf(arena, a),
    viewIdAt(a),
    viewIdLength(arena, a),
    bytesOf(arena, b),
    viewIdAt(b),
    viewIdLength(arena, b),
  )
}

/** The lengths of an engagement's texts: view id, item, engagement id, type. */
export function engagementLengths(arena: Arena, e: number): readonly [number, number, number, number] {
  const first = u32(arena, e, L.E_LENGTHS)
  const second = u32(arena, e, L.E_LENGTHS_2)
  return [first & 0xffff, first >>> 16, second & 0xffff, second >>> 16]
}

export function engagementTextAt(e: number): number {
  return byteAt(e) + L.E_HEADER_BYTES
}

export function engagementBlockBytes(arena: Arena, e: number): number {
  const [a, b, c, d] = engagementLengths(arena, e)
  return L.E_HEADER_BYTES + a + b + c + d
}

/** The part of an engagement's text with this index (0 view id, 1 item, 2 engagement id, 3 type). */
export function engagementText(arena: Arena, e: number, part: 0 | 1 | 2 | 3): string {
  const lengths = engagementLengths(arena, e)
  let at = engagementTextAt(e)
  for (let k = 0; k < part; k++) at += lengths[k]
  return bytesOf(arena, e).toString('utf8', at, at + lengths[part])
}

export function samePayload(arena: Arena, view: number, bytes: Uint8Array, at: number, length: number): boolean {
  const payload = u32(arena, view, L.V_PAYLOAD)
  if (u32(arena, view, L.V_PAYLOAD_LENGTH) !== length) return false
  if (payload === 0) {
    // A sealed view's bytes are gone, a spilled one's lie in the journal: their hash remains.
    if (length === 0) return true
    if (hasFlag(arena, view, L.F_SPILLED) && hasFlag(arena, view, L.F_SEALED)) return true // on its way back
    const word = hasFlag(arena, view, L.F_SPILLED) ? L.V_SPILLED_HASH : L.V_BOUND
    return u32(arena, view, word) === murmur2(bytes, at, length)
  }
  return sameBytes(bytesOf(arena, payload), byteAt(payload), length, bytes, at, length)
}
