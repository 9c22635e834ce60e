import { describe, expect, it } from 'vitest'
import { type DatabaseStatus, seenAfter, statusOf, verdictOf } from '../../shared/ovn/ovsdb/leadership.ts'

const C = '11111111-1111-4111-8111-111111111111'
const OTHER = '44444444-4444-4444-8444-444444444444'

const status = (more: Partial<DatabaseStatus> = {}): DatabaseStatus => ({
  clustered: true,
  connected: true,
  leader: true,
  cluster: C,
  index: 9n,
  ...more,
})

describe('who may be asked', () => {
  it.each([
    ['the leader', status(), undefined, 'lead'],
    ['one that stands alone', status({ clustered: false, leader: false }), undefined, 'lead'],
    ['a follower', status({ leader: false }), undefined, 'follower'],
    ['a leader without its cluster', status({ connected: false }), undefined, 'disconnected'],
    ['one without this database', undefined, undefined, 'unserved'],
    ['a leader as new as what was seen', status(), { cluster: C, index: 9n }, 'lead'],
    ['a leader behind what was seen', status(), { cluster: C, index: 10n }, 'behind'],
    ['a leader of a new cluster', status(), { cluster: OTHER, index: 10n }, 'lead'],
  ] as const)('%s: %s', (_, now, seen, expected) => {
    const verdict = verdictOf(now, seen)
    expect(verdict.kind === 'pass' ? verdict.why : verdict.kind).toBe(expected)
  })

  it.each([
    [undefined, 9n],
    [{ cluster: C, index: 12n }, 12n],
    [{ cluster: OTHER, index: 12n }, 9n],
  ] as const)('after %o the newest state seen is %s', (seen, index) => {
    expect(seenAfter(status(), seen)?.index).toBe(index)
  })

  it('is read from the row of the database', () => {
    const row = {
      name: 'X',
      model: 'clustered',
      connected: true,
      leader: false,
      cid: ['uuid', C],
      index: 3,
    } as const
    const rows = [{ ...row, name: 'Y', leader: true }, row]
    const expected = { clustered: true, connected: true, leader: false, cluster: C, index: 3n }
    expect(statusOf('X', rows)).toEqual({ ok: true, value: expected })
  })
})
