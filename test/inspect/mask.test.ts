import { describe, expect, it } from 'vitest'
import { Mask } from '../../src/inspect/mask.ts'
import { everyOutcome } from '../support/pageWorld.ts'

const mask = new Mask('privileged-token-of-length')

describe('masked ids', () => {
  it('are the same for the same id and key, and others for other keys', () => {
    expect(mask.id('alice')).toBe(new Mask('privileged-token-of-length').id('alice'))
    expect(mask.id('alice')).not.toBe(mask.id('alicf'))
    expect(mask.id('alice')).not.toBe(new Mask('another-token-of-length').id('alice'))
    expect(mask.id('alice')).toMatch(/^#[0-9a-f]{12}$/)
  })

  it('stand in place of ids wherever they are, in sentences too, and of nothing else', () => {
    const answer = {
      user: 'alice',
      partition: 3,
      pending: [{ sampleId: 'view-77', itemId: 'item-1', boundCount: 2, wouldJoin: null }],
      sample: { user_id: 12, sample_id: 'alice:item-1:99', labels: { click: 1 }, view: { name: 'Alice' } },
      summary: 'view-77 of alice was seen; item-1 was not',
      timers: [
        { does: 'seal', what: 'view-77' },
        { does: 'decide', what: 'engagements/5' },
      ],
    }
    const shown = mask.answer(answer)
    expect(JSON.stringify(shown)).not.toMatch(/alice|Alice|view-77/)
    expect(shown).toMatchObject({
      user: mask.id('alice'),
      partition: 3,
      pending: [{ sampleId: mask.id('view-77'), itemId: 'item-1', boundCount: 2, wouldJoin: null }],
      sample: { user_id: mask.id('12'), labels: { click: 1 }, view: '(masked)' },
      summary: `${mask.id('view-77')} of ${mask.id('alice')} was seen; item-1 was not`,
      timers: [{ what: mask.id('view-77') }, { what: 'engagements/5' }],
    })
  })

  it('that are short are masked in sentences as words alone', () => {
    const shown = mask.answer({ user: '7', reason: 'user 7 had 77 views in 7.5 s; 7' }) as { reason: string }
    expect(shown.reason).toContain('77 views')
    expect(shown.reason).toMatch(/user #[0-9a-f]{12} had .*; #[0-9a-f]{12}$/)
  })

  it('leave the explanation’s own view, and not the producer’s record in it', () => {
    const shown = mask.answer(everyOutcome()) as ReturnType<typeof everyOutcome>
    expect(shown.view).toMatchObject({ topic: 'views', offset: 7, record: '(masked)' })
    expect(shown.engagements).toHaveLength(10)
    expect(shown.engagements[0].viewId).toMatch(/^#/)
  })
})
