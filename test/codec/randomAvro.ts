/**
 * Random Avro schemas, values of them (as avsc wants them: unions wrapped, longs as bigints), and events whose mapped
 * fields lie anywhere in such a schema, with what must be read of them.
 */
import type { AvroSchema, FieldMap, TimeUnit } from '../../src/config/model.ts'
import type { Random } from '../support/random.ts'

type Json = Record<string, unknown>
const PRIMITIVES = ['null', 'boolean', 'int', 'long', 'float', 'double', 'bytes', 'string'] as const
const TEXTS = ['', 'a', 'user-17', 'ÄÖ€', '😀', '"quoted"\\', 'x'.repeat(60), '__proto__', 'constructor', '\u0000\n']

/** Schemas that may refer to what they defined before. */
export class RandomSchemas {
  private readonly random: Random
  private count = 0
  /** Complete types, by name. */
  readonly defined = new Map<string, Json>()
  /** Records under way: a reference must be nullable or in an array. */
  private readonly open: string[] = []

  constructor(random: Random) {
    this.random = random
  }

  name(prefix: string): string {
    return `${prefix}${this.count++}`
  }

  schema(depth: number): AvroSchema {
    const { random } = this
    if (depth <= 0 || random.chance(0.45)) return random.pick(PRIMITIVES)
    switch (random.below(8)) {
      case 0:
        return { type: 'array', items: this.schema(depth - 1) }
      case 1:
        return { type: 'map', values: this.schema(depth - 1) }
      case 2:
        return this.union(depth)
      case 3:
        return this.define({
          type: 'enum',
          name: this.name('E'),
          symbols: ['A', 'B', 'C'].slice(0, 1 + random.below(3)),
        })
      case 4:
        return this.define({ type: 'fixed', name: this.name('F'), size: random.below(6) })
      case 5:
        return this.defined.size > 0 ? random.pick([...this.defined.keys()]) : 'int'
      case 6:
        return this.open.length > 0 ? ['null', random.pick(this.open)] : 'long'
      default:
        return this.record(depth, {})
    }
  }

  /** A record of random fields with the given ones between them. */
  record(depth: number, given: Readonly<Record<string, AvroSchema>>): AvroSchema {
    const { random } = this
    const name = this.name('R')
    this.open.push(name)
    const fields: Json[] = []
    const fill = () => {
      for (let k = random.below(3); k > 0; k--) fields.push({ name: this.name('f'), type: this.schema(depth - 1) })
    }
    fill()
    for (const [field, type] of Object.entries(given)) {
      fields.push({ name: field, type })
      fill()
    }
    this.open.pop()
    return this.define({ type: 'record', name, fields })
  }

  private union(depth: number): AvroSchema {
    const branches = new Map<string, AvroSchema>()
    for (let k = 1 + this.random.below(4); k > 0; k--) {
      const schema = this.schema(depth - 1)
      if (!Array.isArray(schema)) branches.set(branchName(schema), schema)
    }
    return branches.size > 0 ? [...branches.values()] : ['null', 'string']
  }

  /** The same schema with each name defined where it is first met, as Avro wants it. */
  inOrder(schema: AvroSchema, met = new Set<string>()): AvroSchema {
    if (Array.isArray(schema)) return schema.map((branch) => this.inOrder(branch as AvroSchema, met))
    const json = (typeof schema === 'string' ? this.defined.get(schema) : schema) as Json | undefined
    if (json === undefined) return schema
    const name = json.name as string | undefined
    if (name !== undefined && met.has(name)) return name
    if (name !== undefined) met.add(name)
    if (json.items) return { ...json, items: this.inOrder(json.items as AvroSchema, met) }
    if (json.values) return { ...json, values: this.inOrder(json.values as AvroSchema, met) }
    if (!json.fields) return json
    const fields = json.fields as { name: string; type: AvroSchema }[]
    return { ...json, fields: fields.map((field) => ({ ...field, type: this.inOrder(field.type, met) })) }
  }

  private define(schema: Json): AvroSchema {
    this.defined.set(schema.name as string, schema)
    return schema
  }
}

export function branchName(schema: AvroSchema): string {
  if (typeof schema === 'string') return schema
  const json = schema as Json
  return (json.name as string | undefined) ?? (json.type as string)
}

export function randomValue(schema: AvroSchema, schemas: RandomSchemas, random: Random, depth = 6): unknown {
  if (typeof schema === 'string') {
    const named = schemas.defined.get(schema)
    return named ? randomValue(named, schemas, random, depth) : primitive(schema, random)
  }
  if (Array.isArray(schema)) {
    const nullBranch = schema.indexOf('null')
    const branch = depth <= 0 && nullBranch >= 0 ? 'null' : random.pick(schema as AvroSchema[])
    return branch === 'null' ? null : { [branchName(branch)]: randomValue(branch, schemas, random, depth - 1) }
  }
  const json = schema as Json
  const items = depth <= 0 ? 0 : random.below(4)
  switch (json.type) {
    case 'array':
      return Array.from({ length: items }, () => randomValue(json.items as AvroSchema, schemas, random, depth - 1))
    case 'map': {
      const entries = Array.from({ length: items }, (_, k) => [
        `k${k}`,
        randomValue(json.values as AvroSchema, schemas, random, depth - 1),
      ])
      return Object.fromEntries(entries)
    }
    case 'enum':
      return random.pick(json.symbols as string[])
    case 'fixed':
      return Buffer.from(Array.from({ length: json.size as number }, () => random.below(256)))
    case 'record': {
      const fields = json.fields as { name: string; type: AvroSchema }[]
      return Object.fromEntries(fields.map((f) => [f.name, randomValue(f.type, schemas, random, depth - 1)]))
    }
    default:
      return primitive(json.type as string, random)
  }
}

function primitive(type: string, random: Random): unknown {
  switch (type) {
    case 'null':
      return null
    case 'boolean':
      return random.chance(0.5)
    case 'int':
      return randomInt(random)
    case 'long':
      return randomLong(random)
    case 'float':
      return Math.fround(random.next() * 1000 - 500)
    case 'double':
      return random.chance(0.1) ? Number.MAX_VALUE : random.next() * 1e6 - 5e5
    case 'bytes':
      return Buffer.from(Array.from({ length: random.below(9) }, () => random.below(256)))
    default:
      return randomText(random)
  }
}

export function randomInt(random: Random): number {
  return Math.floor((random.next() - 0.5) * 2 ** random.below(33))
}

export function randomLong(random: Random): bigint {
  const wide = (BigInt(random.below(2 ** 32)) << 32n) | BigInt(random.below(2 ** 32))
  return BigInt.asIntN(64, wide) >> BigInt(random.below(64))
}

export function randomText(random: Random): string {
  return random.chance(0.4) ? random.pick(TEXTS) : `t${random.below(1e9)}`
}

export interface RandomEvent {
  readonly schema: AvroSchema
  readonly fields: FieldMap
  readonly value: unknown
  /** The mapped fields' values, unwrapped. */
  readonly ids: Readonly<Record<'viewId' | 'userId' | 'itemId' | 'engagementId' | 'type', string | null>>
  readonly timeMs: number
  readonly number: number | null
}

interface Leaf {
  readonly type: AvroSchema
  readonly value: unknown
  readonly text: string
}

/** An event (view or engagement) of a random schema, its mapped fields at random depths. */
export function randomEvent(random: Random): RandomEvent {
  const schemas = new RandomSchemas(random)
  const places = new Map<string, { schema: AvroSchema; value: unknown; path: string[] }>()
  const place = (name: string, type: AvroSchema, value: unknown) => {
    const nest = random.below(3)
    let schema = type
    let placed = value
    const path = [name]
    for (let k = 0; k < nest; k++) {
      const inner = path[0]
      const record = schemas.record(1, { [inner]: schema }) as Json
      const wrapped = randomValue(record as AvroSchema, schemas, random) as Json
      wrapped[inner] = placed
      const nullable = random.chance(0.3)
      schema = nullable ? ['null', record] : (record as AvroSchema)
      placed = nullable ? { [record.name as string]: wrapped } : wrapped
      path.unshift(`${name}${k}`)
    }
    places.set(path[0], { schema, value: placed, path })
    return path
  }
  const id = (name: string, mayBeNull: boolean) => {
    const leaf = random.pick([textLeaf, intLeaf, longLeaf, enumLeaf])(schemas, random)
    return nullable(name, leaf, mayBeNull)
  }
  const nullable = (name: string, leaf: Leaf, mayBeNull: boolean) => {
    if (!random.chance(0.4)) return { path: place(name, leaf.type, leaf.value), text: leaf.text as string | null }
    const type = random.chance(0.5) ? ['null', leaf.type] : [leaf.type, 'null']
    const isNull = mayBeNull && random.chance(0.4)
    const path = place(name, type, isNull ? null : { [branchName(leaf.type)]: leaf.value })
    return { path, text: isNull ? null : leaf.text }
  }
  const viewId = id('viewId', true)
  const userId = id('userId', false)
  const itemId = id('itemId', false)
  const engagementId = id('engagementId', true)
  const type = nullable('type', random.pick([textLeaf, enumLeaf])(schemas, random), false)
  const time = timeLeaf(random)
  const timePath = nullable('time', time, false)
  const number = nullable('value', numberLeaf(random), true)

  const given = Object.fromEntries([...places].map(([name, { schema }]) => [name, schema]))
  const schema = schemas.record(3, given)
  const value = randomValue(schema, schemas, random) as Json
  for (const [name, placed] of places) value[name] = placed.value
  return {
    schema: schemas.inOrder(schema),
    fields: {
      viewId: viewId.path,
      userId: userId.path,
      itemId: itemId.path,
      engagementId: engagementId.path,
      type: { path: type.path },
      time: { path: timePath.path, unit: time.unit },
      value: number.path,
    },
    value,
    ids: {
      viewId: viewId.text,
      userId: userId.text,
      itemId: itemId.text,
      engagementId: engagementId.text,
      type: type.text,
    },
    timeMs: time.ms,
    number: number.text === null ? null : Number(number.text),
  }
}

function textLeaf(_: RandomSchemas, random: Random): Leaf {
  const value = randomText(random)
  return { type: 'string', value, text: value }
}

function intLeaf(_: RandomSchemas, random: Random): Leaf {
  const value = randomInt(random)
  return { type: 'int', value, text: String(value) }
}

function longLeaf(_: RandomSchemas, random: Random): Leaf {
  const value = randomLong(random)
  return { type: 'long', value, text: String(value) }
}

function enumLeaf(schemas: RandomSchemas, random: Random): Leaf {
  const symbols = ['click', 'like', 'share']
  const value = random.pick(symbols)
  return { type: { type: 'enum', name: schemas.name('Kind'), symbols }, value, text: value }
}

function timeLeaf(random: Random): Leaf & { unit?: TimeUnit; ms: number } {
  const ms = Math.floor((random.next() - 0.1) * 2e12)
  switch (random.below(5)) {
    case 0:
      return { type: { type: 'long', logicalType: 'timestamp-millis' }, value: BigInt(ms), text: '', ms }
    case 1: {
      const micros = ms * 1000 + random.below(1000)
      return { type: { type: 'long', logicalType: 'timestamp-micros' }, value: BigInt(micros), text: '', ms }
    }
    case 2:
      return { type: 'long', value: BigInt(ms), text: '', ms, unit: random.chance(0.5) ? 'ms' : undefined }
    case 3: {
      const seconds = randomInt(random)
      return { type: 'int', value: seconds, text: '', ms: seconds * 1000, unit: 's' }
    }
    default:
      return { type: 'long', value: BigInt(ms * 1000), text: '', ms, unit: 'us' }
  }
}

function numberLeaf(random: Random): Leaf {
  const type = random.pick(['int', 'long', 'float', 'double'] as const)
  const value = primitive(type, random)
  return { type, value, text: String(value) }
}
