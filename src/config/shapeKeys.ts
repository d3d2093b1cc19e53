/**
 * The keys of a shape, found by walking it: what can be overridden by the environment, and what the documentation must
 * name, is so never a second list that goes stale.
 */
import type { z } from 'zod'

export type LeafKind = 'text' | 'list' | 'boolean' | 'number' | 'section'

export interface ShapeKey {
  /** `*` stands for any name in a record, and for any index in a list. */
  readonly path: readonly string[]
  readonly kind: LeafKind
  /** As it would be written in the file; undefined where there is none. */
  readonly default: unknown
}

/** What of zod's definitions is read here. */
interface Definition {
  readonly type: string
  readonly innerType?: z.ZodType
  readonly in?: z.ZodType
  readonly shape?: Record<string, z.ZodType>
  readonly valueType?: z.ZodType
  readonly element?: z.ZodType
  readonly options?: readonly z.ZodType[]
  readonly defaultValue?: unknown
}

/** Every key, sections too, outermost first; a key reached in several ways is listed once. */
export function shapeKeys(shape: z.ZodType): ShapeKey[] {
  const found = new Map<string, ShapeKey>()
  walk(shape, [], undefined, found)
  return [...found.values()]
}

function walk(schema: z.ZodType, path: readonly string[], fallback: unknown, found: Map<string, ShapeKey>): void {
  const definition = schema.def as unknown as Definition
  if (definition.innerType !== undefined || definition.type === 'pipe') {
    walk((definition.innerType ?? definition.in)!, path, fallback ?? definition.defaultValue, found)
    return
  }
  note({ path, kind: kindOf(definition), default: fallback }, found)
  for (const [key, child] of childrenOf(definition)) walk(child, key === '' ? path : [...path, key], undefined, found)
}

function childrenOf(definition: Definition): [key: string, child: z.ZodType][] {
  if (definition.shape !== undefined) return Object.entries(definition.shape)
  if (definition.valueType !== undefined) return [['*', definition.valueType]]
  if (definition.element !== undefined) return [['*', definition.element]]
  return (definition.options ?? []).map((option) => ['', option])
}

function kindOf(definition: Definition): LeafKind {
  if (definition.type === 'object' || definition.type === 'record') return 'section'
  if (definition.type === 'array') return 'list'
  if (definition.type === 'boolean') return 'boolean'
  if (definition.type === 'number' || definition.type === 'int') return 'number'
  if (definition.type !== 'union') return 'text'
  return definition.options!.some((option) => option.def.type === 'boolean') ? 'boolean' : 'text'
}

function note(key: ShapeKey, found: Map<string, ShapeKey>): void {
  const name = key.path.join('.')
  if (name !== '' && !found.has(name)) found.set(name, key)
}
