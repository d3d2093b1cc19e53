/**
 * The oracle's own tests, in its own language: the worked examples of SEMANTICS.md and others reasoned by hand, its
 * ledger, its texts, and bugs put into it. Those that take minutes: `python3 -m unittest` in this folder.
 */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

test.each(['Examples', 'Balance', 'SeededBugs', 'Texts'])('%s', async (name) => {
  const args = ['-m', 'unittest', `test_oracle.${name}`]
  const { stderr } = await promisify(execFile)('python3', args, { cwd: import.meta.dirname })
  expect(stderr).toMatch(/^Ran [1-9]\d* tests? in .*\n\nOK$/m)
})
