/**
 * How the records of one writer schema are read: a graph of steps, compiled once from the schema and the field map.
 *
 * Owns: which field of the record goes to which column. What is not mapped becomes a step that skips it (shared by
 * every place of a named type, which also closes the loop of a recursive one); what always has zero bytes, no step: how
 * many values and levels it has is counted, since whoever shows the record writes them all.
 * Fails with a SchemaError that names schema and path where a mapped field is missing or cannot play its role.
 */
import type { FieldMap, Source, TimeUnit } from '../../config/model.ts'
import { SchemaError } from '../error.ts'
import { type AvroType, typeName } from './schema.ts'

export const NULL = 0
export const BOOLEAN = 1
export const INT = 2
export const LONG = 3
/** `width` bytes of anything: float, double, fixed. */
export const FIXED = 4
/** Length-prefixed: bytes, string. */
export const BYTES = 5
/** `width` symbols. */
export const ENUM = 6
export const ARRAY = 7
export const MAP = 8
export const UNION = 9
export const RECORD = 10
/** A mapped field. */
export const READ = 11

export const COLUMN_VIEW_ID = 0
export const COLUMN_USER = 1
export const COLUMN_ITEM = 2
export const COLUMN_ENGAGEMENT_ID = 3
export const COLUMN_TYPE = 4
export const COLUMN_TIME = 5
export const COLUMN_VALUE = 6

export type FromKind = 'string' | 'int' | 'long' | 'enum' | 'float' | 'double'
export const FROM_STRING = 0
export const FROM_INT = 1
export const FROM_LONG = 2
export const FROM_ENUM = 3
export const FROM_FLOAT = 4
export const FROM_DOUBLE = 5
const FROM: Readonly<Record<string, number>> = {
  string: FROM_STRING,
  int: FROM_INT,
  long: FROM_LONG,
  enum: FROM_ENUM,
  float: FROM_FLOAT,
  double: FROM_DOUBLE,
}

/** One column that a mapped field fills. */
export interface Target {
  readonly column: number
  readonly from: number
  readonly unit: TimeUnit
  /** An enum's symbols as UTF-8. */
  readonly symbols: readonly Buffer[]
}

/** One shape for all steps, so that the walk stays monomorphic. */
export interface Step {
  op: number
  /** FIXED: bytes; ENUM: symbols. */
  width: number
  /** RECORD: fields; UNION: branches; ARRAY and MAP: the items. */
  children: Step[]
  /** RECORD: the fields' names. */
  names: string[]
  /** READ only. */
  targets: readonly Target[]
  /** NULL: the values that it stands for, less one where a byte says that it is there. RECORD: those without a step. */
  emptyValues: number
  /** NULL and RECORD: levels of nesting in those. */
  emptyLevels: number
}

export interface Plan {
  readonly root: Step
  /** The paths as text, for refusals. */
  readonly userPath: string
  readonly itemPath: string
  readonly timePath: string
  readonly typePath: string
  readonly needsType: boolean
  /** A constant type's UTF-8; null where it is read or there is none. */
  readonly constType: Buffer | null
}

interface Wanted {
  readonly column: number
  readonly unit?: TimeUnit
}

/** What a type that always has zero bytes holds, itself among it; infinite where names of types double it too often. */
interface Empty {
  readonly values: number
  readonly levels: number
}

const NOTHING: Empty = { values: 1, levels: 0 }

/** The mapped paths as a tree. */
interface Want {
  readonly children: Map<string, Want>
  readonly wanted: Wanted[]
}

export function compilePlan(type: AvroType, role: Source['role'], fields: FieldMap): Plan {
  if (type.kind !== 'record') throw new SchemaError(`${typeName(type)} is not a record`)
  const compiler = new Compiler(typeName(type))
  const typeMap = role === 'engagements' ? fields.type : undefined
  return {
    root: compiler.mapped(type, wantOf(role, fields), []),
    userPath: fields.userId.join('.'),
    itemPath: fields.itemId.join('.'),
    timePath: fields.time.path.join('.'),
    typePath: typeMap && 'path' in typeMap ? typeMap.path.join('.') : '',
    needsType: typeMap !== undefined && 'path' in typeMap,
    constType: typeMap && 'const' in typeMap ? Buffer.from(typeMap.const) : null,
  }
}

function wantOf(role: Source['role'], fields: FieldMap): Want {
  const root: Want = { children: new Map(), wanted: [] }
  const add = (path: readonly string[] | undefined, wanted: Wanted) => {
    if (path === undefined) return
    let want = root
    for (const name of path) {
      let next = want.children.get(name)
      if (next === undefined) want.children.set(name, (next = { children: new Map(), wanted: [] }))
      want = next
    }
    want.wanted.push(wanted)
  }
  add(fields.viewId, { column: COLUMN_VIEW_ID })
  add(fields.userId, { column: COLUMN_USER })
  add(fields.itemId, { column: COLUMN_ITEM })
  add(fields.time.path, { column: COLUMN_TIME, unit: fields.time.unit })
  if (role === 'views') return root
  add(fields.engagementId, { column: COLUMN_ENGAGEMENT_ID })
  if (fields.type && 'path' in fields.type) add(fields.type.path, { column: COLUMN_TYPE })
  add(fields.value, { column: COLUMN_VALUE })
  return root
}

class Compiler {
  private readonly skips = new Map<AvroType, Step>()
  private readonly empty = new Map<AvroType, Empty | undefined>()
  private readonly schema: string

  constructor(schema: string) {
    this.schema = schema
  }

  mapped(type: AvroType, want: Want, path: readonly string[]): Step {
    if (type.kind === 'union') return this.mappedUnion(type.branches, want, path)
    if (want.wanted.length > 0) return this.leaf(type, want, path)
    if (type.kind !== 'record') {
      const [inner] = want.children.keys()
      throw this.error([...path, inner], `${path.join('.')} is ${article(type)}, not a record`)
    }
    const step = newStep(RECORD)
    for (const field of type.fields) {
      const wanted = want.children.get(field.name)
      if (wanted === undefined && this.isLeftOut(field.type, step)) continue
      step.names.push(field.name)
      step.children.push(wanted ? this.mapped(field.type, wanted, [...path, field.name]) : this.skip(field.type))
    }
    for (const name of want.children.keys()) {
      if (type.fields.some((field) => field.name === name)) continue
      const have = type.fields.map((field) => field.name).join(', ')
      throw this.error([...path, name], `record ${type.name} has no field ${name} (it has ${have})`)
    }
    return step
  }

  private mappedUnion(branches: readonly AvroType[], want: Want, path: readonly string[]): Step {
    const others = branches.filter((branch) => branch.kind !== 'null')
    if (others.length !== 1) {
      throw this.error(
        path,
        `a mapped field may be a union of null and one type, not of ${branches.map(typeName).join(', ')}`,
      )
    }
    const step = newStep(UNION)
    step.children = branches.map((branch) => (branch.kind === 'null' ? newStep(NULL) : this.mapped(branch, want, path)))
    return step
  }

  private leaf(type: AvroType, want: Want, path: readonly string[]): Step {
    const step = newStep(READ)
    if (want.children.size > 0) throw this.error(path, 'is mapped itself and has mapped fields inside')
    step.targets = want.wanted.map((wanted) => this.target(type, wanted, path))
    return step
  }

  private target(type: AvroType, wanted: Wanted, path: readonly string[]): Target {
    const { column } = wanted
    if (!ALLOWED[column].includes(type.kind)) {
      throw this.error(
        path,
        `${COLUMN_NAME[column]} cannot be ${article(type)} (it may be ${ALLOWED[column].join(', ')})`,
      )
    }
    const symbols = type.kind === 'enum' ? type.symbols.map((symbol) => Buffer.from(symbol)) : []
    const unit = column === COLUMN_TIME ? this.unit(type, wanted, path) : 'ms'
    return { column, from: FROM[type.kind], unit, symbols }
  }

  private unit(type: AvroType, wanted: Wanted, path: readonly string[]): TimeUnit {
    if (wanted.unit !== undefined) return wanted.unit
    const logical = 'logicalType' in type ? type.logicalType : undefined
    if (type.kind === 'string' || logical === undefined || logical === 'timestamp-millis') return 'ms'
    if (logical === 'timestamp-micros') return 'us'
    throw this.error(path, `the logical type ${logical} is not known as a time: state its unit (s, ms or us)`)
  }

  /** The step that skips a type; one per type, also where it holds itself. */
  private skip(type: AvroType): Step {
    const known = this.skips.get(type)
    if (known !== undefined) return known
    const step = newStep(SKIP_OP[type.kind])
    this.skips.set(type, step)
    switch (type.kind) {
      case 'float':
        step.width = 4
        break
      case 'double':
        step.width = 8
        break
      case 'fixed':
        step.width = type.size
        break
      case 'enum':
        step.width = type.symbols.length
        break
      case 'union':
        step.children = type.branches.map((branch) => this.part(branch, true))
        break
      case 'array':
      case 'map':
        step.children = [this.part(type.items, type.kind === 'map')]
        break
      case 'record':
        for (const field of type.fields) {
          if (this.isLeftOut(field.type, step)) continue
          step.names.push(field.name)
          step.children.push(this.skip(field.type))
        }
    }
    return step
  }

  /** A union's branch or a container's item; `isTold`: by a byte of its own. */
  private part(type: AvroType, isTold: boolean): Step {
    const empty = this.emptyOf(type)
    if (empty === undefined) return this.skip(type)
    const step = newStep(NULL)
    step.emptyValues = isTold ? empty.values - 1 : empty.values
    step.emptyLevels = empty.levels
    return step
  }

  /** Whether a record's field needs no step; then it is counted. */
  private isLeftOut(type: AvroType, record: Step): boolean {
    const empty = this.emptyOf(type)
    if (empty === undefined) return false
    record.emptyValues += empty.values
    record.emptyLevels = Math.max(record.emptyLevels, empty.levels)
    return true
  }

  /** Undefined where a value has bytes. A type that holds itself without end counts as having some: depth ends it. */
  private emptyOf(type: AvroType): Empty | undefined {
    if (type.kind === 'null') return NOTHING
    if (type.kind === 'fixed') return type.size === 0 ? NOTHING : undefined
    if (type.kind !== 'record') return undefined
    if (this.empty.has(type)) return this.empty.get(type)
    this.empty.set(type, undefined)
    let { values, levels } = NOTHING
    for (const field of type.fields) {
      const empty = this.emptyOf(field.type)
      if (empty === undefined) return undefined
      values += empty.values
      levels = Math.max(levels, empty.levels)
    }
    const all = { values, levels: levels + 1 }
    this.empty.set(type, all)
    return all
  }

  private error(path: readonly string[], message: string): SchemaError {
    return new SchemaError(`schema ${this.schema}, field ${path.join('.')}: ${message}`)
  }
}

const SKIP_OP: Readonly<Record<AvroType['kind'], number>> = {
  null: NULL,
  boolean: BOOLEAN,
  int: INT,
  long: LONG,
  float: FIXED,
  double: FIXED,
  fixed: FIXED,
  bytes: BYTES,
  string: BYTES,
  enum: ENUM,
  array: ARRAY,
  map: MAP,
  union: UNION,
  record: RECORD,
}

const ID_KINDS = ['string', 'int', 'long', 'enum']
const ALLOWED: readonly (readonly string[])[] = [
  ID_KINDS,
  ID_KINDS,
  ID_KINDS,
  ID_KINDS,
  ['string', 'enum'],
  ['int', 'long', 'string'],
  ['int', 'long', 'float', 'double'],
]
const COLUMN_NAME = [
  'the view id',
  'the user id',
  'the item id',
  'the engagement id',
  'the type',
  'the time',
  'the value',
]

function newStep(op: number): Step {
  return { op, width: 0, children: [], names: [], targets: [], emptyValues: 0, emptyLevels: 0 }
}

function article(type: AvroType): string {
  const name = typeName(type)
  return `${/^[aeiou]/i.test(name) ? 'an' : 'a'} ${name}`
}
