/** Which of the samples are shown. Pure. */
import type { Label } from '../config/model.ts'
import type { Sample } from './run.ts'

const SHOWN = 10

/** Some with engagements first: a table of zeros shows little. */
export function pickSamples(samples: readonly Sample[], labels: readonly Label[]): Sample[] {
  const positives = (sample: Sample): number => labels.filter(({ name }) => sample.delays_ms[name] !== null).length
  const some = samples.filter((_, i) => i % Math.max(1, Math.floor(samples.length / 500)) === 0)
  return [...some]
    .sort((a, b) => positives(b) - positives(a))
    .filter((_, i) => i % 25 === 0)
    .slice(0, SHOWN)
}
