import { describe, expect, test } from 'vitest'
import { WordsError } from '../../src/shell/command.ts'
import { COMMANDS } from '../../src/shell/commands.ts'
import { complete, type Known, NOTHING_KNOWN } from '../../src/shell/complete.ts'
import { wordsOf } from '../../src/shell/words.ts'

const KNOWN: Known = {
  partitions: ['0', '1', '10'],
  users: ['u-1', 'u-22', 'with blank', 'say "hi"'],
  samples: ['v-1', 'u:i:5'],
  labels: ['click', 'watch_ms'],
}

const hits = (line: string, known = KNOWN): string[] => complete(line, COMMANDS, known)[0].map((hit) => hit.trimEnd())

describe('completion', () => {
  test.each([
    ['', ['cluster', 'config', 'dead', 'delays', 'exit', 'explain', 'help', 'late', 'ledger', 'orphans']],
    ['part', ['partition', 'partitions']],
    ['us', ['user', 'users']],
    ['help us', ['users', 'user']],
    ['partition ', ['0', '1', '10']],
    ['partition 1', ['1', '10']],
    ['user u-2', ['u-22']],
    ['user ', ['u-1', 'u-22', '"with blank"', '"say \\"hi\\""']],
    ['explain u', ['u:i:5']],
    ['sample ', ['v-1', 'u:i:5']],
    ['sample v-1 --', ['--user', '--at', '--json']],
    ['tail --label ', ['click=', 'watch_ms=']],
    ['tail --label cl', ['click=']],
    ['tail --user u-1', ['u-1']],
    ['users --o', ['--oldest']],
    ['watch par', ['partitions', 'partition']],
    ['watch --every 2s partition ', ['0', '1', '10']],
    ['watch --t', ['--times']],
    ['nonsense ', []],
    ['user u-1 ', []],
  ])('of "%s"', (line, expected) => {
    expect(hits(line).slice(0, expected.length === 10 ? 10 : undefined)).toEqual(expected)
  })

  test('knows commands before anything is known of the cluster', () => {
    expect(hits('user ', NOTHING_KNOWN)).toEqual([])
    expect(hits('led', NOTHING_KNOWN)).toEqual(['ledger'])
  })
})

describe('a line', () => {
  test.each([
    ['  user  u-1 ', ['user', 'u-1']],
    ['user "a b"', ['user', 'a b']],
    ["user 'a \"b'", ['user', 'a "b']],
    ['user "say \\"hi\\""', ['user', 'say "hi"']],
    ['', []],
  ])('of "%s" has its words', (line, words) => expect(wordsOf(line)).toEqual(words))

  test('with an open quote is told as that', () => {
    expect(() => wordsOf('user "u')).toThrow(WordsError)
  })
})

test('every command has a summary and an example that is one of its own', () => {
  expect(COMMANDS.length).toBeGreaterThan(12)
  for (const { name, summary, example, argument } of COMMANDS) {
    expect(summary.length).toBeGreaterThan(10)
    const [first, second] = wordsOf(example)
    expect(first).toBe(name)
    if (argument !== undefined) expect(second).not.toMatch(/^-/)
  }
})
