/** The demonstration, small: every sample right, and one of them explained as the product explains any. */
import { expect, test } from 'vitest'
import { isRight, reportDemo } from '../../src/demo/report.ts'
import { runDemo } from '../../src/demo/run.ts'
import { renderExplanation } from '../../src/show/explanation.ts'
import { PLAIN } from '../../src/show/screen.ts'

test('shows right samples and explains the first of them by the log', { timeout: 60_000 }, async () => {
  const result = await runDemo({ configFolder: 'config', views: 2000, onProgress: () => {} })
  expect(isRight(result)).toBe(true)
  const [first] = result.shown
  const explained = result.explained!
  expect(explained).toMatchObject({ sampleId: first.sample_id, status: 'sealed', search: { from: 'log' } })
  expect(explained.view).toMatchObject({ userId: first.user_id, itemId: first.item_id })
  expect(Object.fromEntries(explained.labels.map(({ name, value }) => [name, value]))).toEqual(first.labels)
  expect(explained.emission).toMatchObject({ labels: first.labels, node: 'demo' })
  // It is one with engagements: each is told, with what became of it.
  expect(explained.engagements.filter(({ outcome }) => outcome === 'counted').length).toBeGreaterThan(0)
  const report = reportDemo(result, PLAIN)
  expect(report).toContain(renderExplanation(explained, PLAIN))
  for (const { reason } of explained.engagements) expect(report).toContain(reason)
  expect(report).toContain('none missing, none wrong, none twice.')
})
