/**
 * Which changes of a pipeline can be rolled out node by node, while views are pending. Pure. What a partition makes of a
 * change when it is taken over: actors/pipelineMark.ts.
 *
 * Rules of when a view is sealed and an engagement decided, and of what is one user, view or engagement, must be the
 * same on both sides of a hand-over: what is pending was taken in under the old ones. A label is known only from the
 * moment on at which its engagements are kept; older views have null for it, which its field must allow.
 */
import { LONGEST_WINDOW } from '../config/fingerprint.ts'
import type { Pipeline } from '../config/model.ts'

/** Changed only while nothing is pending. */
const FIXED = [
  LONGEST_WINDOW,
  'time.allowedLateness',
  'time.clockSkewTolerance',
  'time.basis',
  'sideOutputs.deadLetters',
  'sources.views.topic',
  'sources.views.fields',
]
const ENGAGEMENTS_FIELDS = /^sources\.engagements\[.*\]\.fields$/

/** One reason why a node may not work beside one of these digests; undefined where it may. */
export function whyNotRolled(
  pipeline: Pick<Pipeline, 'digests' | 'labels'>,
  theirs: Readonly<Record<string, string>>,
): string | undefined {
  const isChanged = (key: string): boolean => pipeline.digests[key] !== theirs[key]
  const isOfBoth = (key: string): boolean => key in pipeline.digests && key in theirs
  const engagements = Object.keys(pipeline.digests).filter((key) => ENGAGEMENTS_FIELDS.test(key) && isOfBoth(key))
  const fixed = [...FIXED, ...engagements].find(isChanged)
  if (fixed !== undefined) {
    return `a change of ${fixed} cannot be rolled out; stop all nodes, and start them with it when nothing is pending`
  }
  const label = pipeline.labels.find(({ name, default: value }) => isChanged(`labels.${name}`) && value !== null)
  if (label === undefined) return undefined
  return `labels.${label.name} is new or changed, and has no value for views that are pending: give it default: null`
}
