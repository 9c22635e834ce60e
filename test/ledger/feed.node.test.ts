import { describe, expect, it } from 'vitest'
import { feedTypeOf } from '../../shared/ledger/feed.ts'
import type { LeaseRow, LeaseState } from '../../shared/ledger/lease.ts'

const row = (state: LeaseState, contested = false) => ({ state, contested }) as LeaseRow

describe('what a change means to the outside', () => {
  const STATES = ['held', 'bound', 'releasing', 'quarantined', 'foreign', 'stranded'] as const
  const MEANT: Readonly<Record<string, string>> = {
    'held bound': 'reserved',
    'foreign bound': 'reserved',
    'new bound': 'reserved',
    'releasing quarantined': 'released',
    'releasing gone': 'released',
    'held stranded': 'stranded',
    'bound stranded': 'stranded',
    'releasing stranded': 'stranded',
    'quarantined stranded': 'stranded',
    'foreign stranded': 'stranded',
    'new stranded': 'stranded',
  }
  const pairs = [undefined, ...STATES].flatMap((was) =>
    [undefined, ...STATES].map((is) => [was, is] as const),
  )
  it.each(pairs)('%s → %s', (was, is) => {
    const meant = feedTypeOf(was && row(was), is && row(is))
    expect(meant).toBe(MEANT[`${was ?? 'new'} ${is ?? 'gone'}`])
  })

  it('somebody else there is told once', () => {
    expect(feedTypeOf(row('bound'), row('bound', true))).toBe('contested')
    expect(feedTypeOf(row('bound', true), row('bound', true))).toBeUndefined()
    expect(feedTypeOf(row('bound', true), row('bound'))).toBeUndefined()
  })
})
