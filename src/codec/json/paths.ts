/**
 * The mapped fields found on a tape: for each of a field map's paths, the entry that lies there.
 *
 * Invariant: of a key that is there twice the last one stands, as JSON.parse has it, also for a path through it.
 */
import * as T from './tape.ts'

/** No value lies at the path. */
export const MISSING = -1
/** The path leads through something that is no object. */
export const BLOCKED = -2

interface Node {
  readonly name: string
  readonly key: Buffer
  readonly children: Node[]
  /** Indices of the paths that end here. */
  readonly ends: number[]
  /** Where the last object had this key; MISSING if it had not. */
  entry: number
}

export class PathFinder {
  /** Per path, in the order given: an entry, MISSING or BLOCKED. */
  readonly found: Int32Array
  private readonly roots: Node[] = []

  /** An undefined path is found nowhere. */
  constructor(paths: readonly (readonly string[] | undefined)[]) {
    this.found = new Int32Array(paths.length).fill(MISSING)
    paths.forEach((path, index) => {
      if (path === undefined) return
      let nodes = this.roots
      let node: Node | undefined
      for (const name of path) {
        node = nodes.find((candidate) => candidate.name === name)
        if (node === undefined) {
          node = { name, key: Buffer.from(name), children: [], ends: [], entry: MISSING }
          nodes.push(node)
        }
        nodes = node.children
      }
      node?.ends.push(index)
    })
  }

  find(tape: T.JsonTape): void {
    this.descend(tape, this.roots, 0)
  }

  private descend(tape: T.JsonTape, nodes: readonly Node[], entry: number): void {
    for (let k = 0; k < nodes.length; k++) nodes[k].entry = this.absence(tape, entry)
    if (entry >= 0 && tape.kind(entry) === T.OBJECT) this.matchKeys(tape, nodes, entry)
    for (let k = 0; k < nodes.length; k++) {
      const node = nodes[k]
      for (let e = 0; e < node.ends.length; e++) this.found[node.ends[e]] = node.entry
      if (node.children.length > 0) this.descend(tape, node.children, node.entry)
    }
  }

  /** What a path that leads into this entry, which is no object with the key, finds. */
  private absence(tape: T.JsonTape, entry: number): number {
    if (entry < 0) return entry
    const kind = tape.kind(entry)
    return kind === T.OBJECT || kind === T.NULL ? MISSING : BLOCKED
  }

  private matchKeys(tape: T.JsonTape, nodes: readonly Node[], entry: number): void {
    const end = tape.next(entry)
    for (let key = tape.first(entry); key < end; ) {
      const value = tape.next(key)
      // A key with escapes is decoded once, not for each name.
      const text = tape.kind(key) === T.ESCAPED ? tape.text(key) : null
      for (let k = 0; k < nodes.length; k++) {
        if (text === null ? !tape.isText(key, nodes[k].key) : text !== nodes[k].name) continue
        nodes[k].entry = value
        break
      }
      key = tape.next(value)
    }
  }
}
