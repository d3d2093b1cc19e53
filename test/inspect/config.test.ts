/** What GET /config hides. */
import { expect, test } from 'vitest'
import { withoutSecrets } from '../../src/inspect/config.ts'

test('of an address all before its last @ is hidden, and of secrets everything', () => {
  const shown = withoutSecrets({
    registry: { url: 'http://me:sw/or@d@reg:8081', username: 'me', password: 'fish' },
    folders: ['data/a@b', 's3://key:sword@bucket'],
    within: Number.POSITIVE_INFINITY,
  })
  expect(shown).toEqual({
    registry: { url: 'http://(hidden)@reg:8081', username: 'me', password: '(hidden)' },
    folders: ['data/a@b', 's3://(hidden)@bucket'],
    within: 'off',
  })
})
