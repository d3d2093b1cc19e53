import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { variableOf } from '../../src/config/environment.ts'
import { nodeShape } from '../../src/config/nodeShape.ts'
import { pipelineShape } from '../../src/config/pipelineShape.ts'
import { type ShapeKey, shapeKeys } from '../../src/config/shapeKeys.ts'

const TEXT = readFileSync('docs/CONFIGURATION.md', 'utf8')

/** The rows of one file's table: key and the text of its default. */
function documented(file: string): Map<string, string> {
  const section = TEXT.split(/^## /m).find((part) => part.startsWith(file))!
  const rows = [...section.matchAll(/^\| `([^`]+)` \|([^|]*)\|/gm)]
  return new Map(rows.map(([, key, fallback]) => [key, fallback.trim()]))
}

/** As the documentation writes it: lists with [], labels with <name>. */
function nameOf(key: ShapeKey): string {
  return key.path.join('.').replace('labels.*', 'labels.<name>').replaceAll('.*', '[]')
}

function keysOf(shape: Parameters<typeof shapeKeys>[0]): ShapeKey[] {
  return shapeKeys(shape).filter((key) => !nameOf(key).endsWith('[]'))
}

describe.each([
  ['pipeline.yaml', pipelineShape],
  ['node.yaml', nodeShape],
])('docs/CONFIGURATION.md on %s', (file, shape) => {
  const rows = documented(file)

  test('names every key, and no key that does not exist', () => {
    const keys = keysOf(shape).map(nameOf)
    expect(keys.length).toBeGreaterThan(20)
    expect([...rows.keys()].sort()).toEqual([...keys].sort())
  })

  test('gives the default that the code has', () => {
    const simple = keysOf(shape).filter((key) => key.default !== undefined && typeof key.default !== 'object')
    expect(simple.length).toBeGreaterThan(10)
    const wrong = simple.filter((key) => rows.get(nameOf(key)) !== `\`${key.default}\``)
    expect(wrong.map((key) => `${nameOf(key)}: ${key.default}, documented ${rows.get(nameOf(key))}`)).toEqual([])
  })
})

test('the variables that are documented are those that the code reads', () => {
  const rows = [...TEXT.matchAll(/^\| `(POSTVIEW_[A-Z_]+)[^`]*` \| `([^`]+)`/gm)]
  expect(rows.length).toBeGreaterThan(3)
  for (const [, variable, key] of rows) expect(variableOf(key.split('.'))).toBe(variable)
})

describe.each(['config', 'config/kafka'])('%s', (folder) => {
  test('comments on its keys', () => {
    for (const file of ['pipeline.yaml', 'node.yaml']) {
      const text = readFileSync(`${folder}/${file}`, 'utf8')
      expect(text.split('\n').filter((line) => line.includes('#')).length).toBeGreaterThan(10)
    }
  })
})
