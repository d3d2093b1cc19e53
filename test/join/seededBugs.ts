/**
 * Bugs for the join: each is one line of src/join done wrong, as such lines do go wrong. seededBugs.test.ts shows that
 * every one is seen.
 */
import type { Bug } from './seededJoin.ts'

export const BUGS: readonly Bug[] = [
  {
    name: 'a view has no timer now and then',
    file: 'turn.ts',
    old: 'else s.timers.set(deadline, view)',
    new: 'else if (deadline % 7 !== 0) s.timers.set(deadline, view)',
  },
  {
    name: 'an engagement has no timer',
    file: 'turn.ts',
    old: 'else s.timers.set(decidedMs, e)',
    new: '',
  },
  {
    name: 'the end of the window does not count',
    file: 'rules.ts',
    old: 'delayMs > label.withinMs',
    new: 'delayMs >= label.withinMs',
  },
  {
    name: 'the tolerance of clock skew is ignored',
    file: 'rules.ts',
    old: 'delayMs < -toleranceMs',
    new: 'delayMs < 0',
  },
  {
    name: 'of views of one time, the one that came last has the engagement',
    file: 'items.ts',
    old: 'if (byTime !== 0) return byTime < 0',
    new: 'return byTime <= 0',
  },
  {
    name: 'engagements are decided without waiting for the allowed lateness',
    file: 'rules.ts',
    old: '    engagementWaitMs,\n',
    new: '    engagementWaitMs: options.clockSkewToleranceMs,\n',
  },
  {
    name: 'a sample is emitted twice now and then',
    file: 'order.ts',
    old: '    order.sort((a, b) => compareSealed(s, a, b))\n  }\n  return order\n',
    new: '    order.sort((a, b) => compareSealed(s, a, b))\n  }\n  return n > 2 ? Int32Array.of(...order, order[0]) : order\n',
  },
  {
    name: 'the tail of a long batch is dropped',
    file: 'batch.ts',
    old: 'if (batch.kind[i] < REFUSED) gatherRecord(',
    new: 'if (batch.kind[i] < REFUSED && i < 30) gatherRecord(',
  },
  {
    name: '`first` gives the last',
    file: 'fold.ts',
    old: "case 'first':\n      return counted === 0 ? value : result",
    new: "case 'first':\n      return value",
  },
  {
    name: '`max` of negative values is 0',
    file: 'fold.ts',
    old: 'return counted === 0 || value > result ? value : result',
    new: 'return value > result ? value : result',
  },
  {
    name: 'copies of views are taken for views',
    file: 'turn.ts',
    old: 'else if (known !== 0) {',
    new: 'else if (known < 0) {',
  },
  {
    name: 'copies of engagements count again',
    file: 'turn.ts',
    old: 'if (known !== 0) {\n    s.ledger[Count.ENGAGEMENT_DUPLICATES]++',
    new: 'if (hash < 0) {\n    s.ledger[Count.ENGAGEMENT_DUPLICATES]++',
  },
  {
    name: 'late views are not marked',
    file: 'turn.ts',
    old: 'const late = watermarkMs > timeMs + s.rules.allowedLatenessMs',
    new: 'const late = watermarkMs > timeMs + Number.MAX_VALUE',
  },
  {
    name: 'the watermark follows the source that is ahead',
    file: 'clocks.ts',
    old: 'if (clock < least) least = clock',
    new: 'if (least === Number.POSITIVE_INFINITY || clock > least) least = clock',
  },
  {
    name: 'the bound of disorder is ignored',
    file: 'clocks.ts',
    old: 'highestMs - this.rules.outOfOrdernessMs + silenceMs',
    new: 'highestMs + silenceMs',
  },
  {
    name: 'identities are not percent-encoded',
    file: 'identity.ts',
    old: 'if (byte === PERCENT || byte === COLON) {',
    new: 'if (byte < 0) {',
  },
  {
    name: 'the offset of a forgotten view stays needed',
    file: 'evolve.ts',
    old: '  s.needed[0].remove(B.f64(s.arena, view, L.V_OFFSET))\n',
    new: '',
  },
  {
    name: 'the offset of a bound engagement is not needed any more',
    file: 'evolve.ts',
    old: '  s.ledger[BOUND]++\n',
    new: '  s.ledger[BOUND]++\n  s.needed[B.u32(s.arena, e, L.E_SOURCE)].remove(B.f64(s.arena, e, L.E_OFFSET))\n',
  },
  {
    name: 'sealed views are not remembered',
    file: 'decide.ts',
    old: '<= s.rules.rememberSealedMs',
    new: '<= Number.MIN_SAFE_INTEGER',
  },
  {
    name: 'views are sealed before engagements are decided in one advance',
    file: 'turn.ts',
    old: 'B.kindOf(s.arena, b) - B.kindOf(s.arena, a) ||',
    new: 'B.kindOf(s.arena, a) - B.kindOf(s.arena, b) ||',
  },
  {
    name: 'a deadline is met when the watermark reaches it, not when it has passed it',
    file: 'timers.ts',
    old: 'if (dueMs < beforeMs) take(address, dueMs)',
    new: 'if (dueMs <= beforeMs) take(address, dueMs)',
  },
  {
    name: 'an engagement that names its view is matched by item',
    file: 'decide.ts',
    old: 'if (B.hasFlag(s.arena, e, L.F_HAS_VIEW_ID)) {',
    new: 'if (e < 0) {',
  },
  {
    name: 'an engagement belongs to a view that comes after it',
    file: 'decide.ts',
    old: 'B.f64(s.arena, view, L.V_TIME) <= latestMs &&',
    new: '',
  },
  {
    name: 'an engagement without a value counts for every fold',
    file: 'rules.ts',
    old: "return fold !== 'any' && fold !== 'count'",
    new: 'return false',
  },
  {
    name: 'an engagement is bound to a view that is sealed',
    file: 'decide.ts',
    old: 'else if (B.hasFlag(s.arena, owner, L.F_SEALED)) verdict.reason = GAVE_UP_LATE\n',
    new: '',
  },
  {
    name: 'a delay below zero is shown',
    file: 'fold.ts',
    old: 'delayMs < 0 ? 0 : delayMs',
    new: 'delayMs',
  },
  {
    name: 'samples of one deadline come in no order',
    file: 'order.ts',
    old: 'if (end - start > 1) order',
    new: 'if (end - start > 1e9) order',
  },
  {
    name: 'a replay takes what is to be read again live',
    file: 'replay.ts',
    old: ' || batch.offset[i] >= options.below',
    new: '',
  },
  {
    name: 'a replay drops engagements that were bound',
    file: 'replay.ts',
    old: 'if (verdict.owner !== 0) E.rebind(s, e, verdict.owner)',
    new: 'if (verdict.owner < 0) E.rebind(s, e, verdict.owner)',
  },
  {
    name: 'a replay forgets the views that were sealed',
    file: 'replay.ts',
    old: 'B.setF64(s.arena, view, L.V_SEALED_AT, watermarkMs)',
    new: 'B.setF64(s.arena, view, L.V_SEALED_AT, Number.NEGATIVE_INFINITY)',
  },
]
