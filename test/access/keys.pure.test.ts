import { describe, expect, it } from 'vitest'
import { VERBS } from '../../shared/access/caller.ts'
import { equalBytes } from '../../shared/access/equal.ts'
import { type Grant, grantsCover } from '../../shared/access/grants.ts'
import { formatKey, hashSecret, newKey, parseKey } from '../../shared/access/key-text.ts'
import { RateWindows } from '../../shared/access/rate.ts'
import { attributesOf } from '../../shared/access/reviews.ts'
import { seededRandom } from '../support/random.ts'

describe('the text of a key', () => {
  const made = newKey(seededRandom(7))
  const text = formatKey(made)

  it('is berth_, an id and 256 bits, and reads back', () => {
    expect(text).toMatch(/^berth_[0-9a-z]{16}_[A-Za-z0-9_-]{43}$/)
    expect(parseKey(text)).toEqual(made)
  })

  it('has one spelling only', () => {
    // The last digit of 43 carries two bits too many: its neighbours mean the same bytes.
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const others = [...alphabet].map((digit) => text.slice(0, -1) + digit).filter((other) => other !== text)
    const sameBytes = others.filter((other) => {
      const parsed = parseKey(other)
      return parsed && equalBytes(parsed.secret, made.secret)
    })
    expect(sameBytes).toEqual([])
  })

  it.each([
    ['empty', ''],
    ['without a secret', text.slice(0, 22)],
    ['cut short', text.slice(0, -1)],
    ['longer', `${text}A`],
    ['upper-case id', text.toUpperCase()],
    ['with a space', ` ${text}`],
    ['with a newline', `${text}\n`],
    ['of another kind', text.replace('berth_', 'ghp_')],
  ])('is refused: %s', (_, wrong) => expect(parseKey(wrong)).toBeUndefined())

  it('is kept as SHA-256 of the secret', async () => {
    expect(Array.from(await hashSecret(new Uint8Array())).slice(0, 4)).toEqual([0xe3, 0xb0, 0xc4, 0x42])
  })
})

it.each([
  ['equal', [1, 2, 3], [1, 2, 3], true],
  ['empty', [], [], true],
  ['last byte', [1, 2, 3], [1, 2, 4], false],
  ['shorter', [1, 2], [1, 2, 3], false],
  ['longer', [1, 2, 3, 0], [1, 2, 3], false],
  ['nothing against zero', [], [0], false],
])('bytes compared: %s', (_, a, b, same) => {
  expect(equalBytes(Uint8Array.from(a), Uint8Array.from(b))).toBe(same)
})

describe('grants', () => {
  const grants: Grant[] = [
    { verbs: ['reserve', 'read'], subnets: ['blue'], namespaces: ['team-a'] },
    { verbs: ['release'], subnets: ['*'], namespaces: ['team-a-*'] },
  ]
  it.each([
    [{ verb: 'reserve', subnet: 'blue', namespace: 'team-a' }, true],
    [{ verb: 'read', subnet: 'blue', namespace: 'team-a', name: 'x.team-a' }, true],
    [{ verb: 'reserve', subnet: 'green', namespace: 'team-a' }, false],
    [{ verb: 'reserve', subnet: 'blue', namespace: 'team-b' }, false],
    [{ verb: 'reserve', subnet: 'blue' }, false],
    [{ verb: 'read', namespace: 'team-a' }, false],
    [{ verb: 'release', subnet: 'blue', namespace: 'team-a' }, false],
    [{ verb: 'release', subnet: 'green', namespace: 'team-a-x' }, true],
    [{ verb: 'force', subnet: 'blue', namespace: 'team-a' }, false],
    [{ verb: 'keys' }, false],
    [{ verb: 'look', subnet: 'blue' }, true],
    [{ verb: 'look', subnet: 'green' }, false],
    [{ verb: 'look' }, false],
    [{ verb: 'reserve', subnet: '__proto__', namespace: 'constructor' }, false],
  ] as const)('%o is %s', (ask, allowed) => expect(grantsCover(grants, ask)).toBe(allowed))

  it('of everything cover everything', () => {
    const all: Grant[] = [{ verbs: ['*'], subnets: ['*'], namespaces: ['*'] }]
    for (const verb of [...VERBS, 'look'] as const) expect(grantsCover(all, { verb })).toBe(true)
  })

  it('of nobody cover nothing', () => {
    for (const verb of [...VERBS, 'look'] as const) expect(grantsCover([], { verb })).toBe(false)
  })
})

describe('rate windows', () => {
  const policy = { quota: 2, windowMs: 1_000 }
  it('let the quota in, tell what is left, and begin anew', () => {
    const windows = new RateWindows()
    const at = (ms: number) => windows.take('a', policy, ms)
    expect(at(0)).toEqual({ allowed: true, remaining: 1, resetMs: 1_000 })
    expect(at(400)).toEqual({ allowed: true, remaining: 0, resetMs: 600 })
    expect(at(999)).toEqual({ allowed: false, remaining: 0, resetMs: 1 })
    expect(at(1_000)).toEqual({ allowed: true, remaining: 1, resetMs: 1_000 })
  })

  it('are each tenant his own', () => {
    const windows = new RateWindows()
    for (const tenant of ['a', 'b', '__proto__', 'constructor'])
      expect(windows.take(tenant, { quota: 1, windowMs: 1_000 }, 0).allowed).toBe(true)
    expect(windows.take('__proto__', { quota: 1, windowMs: 1_000 }, 0).allowed).toBe(false)
  })

  it('do not freeze when the clock is set back', () => {
    const windows = new RateWindows()
    windows.take('a', { quota: 1, windowMs: 1_000 }, 1e12)
    expect(windows.take('a', { quota: 1, windowMs: 1_000 }, 1e12 - 3_600_000).allowed).toBe(true)
  })
})

it.each([
  [{ verb: 'reserve', subnet: 's', namespace: 'a', name: 'x.a' }, 'create ips a x.a'],
  [{ verb: 'release', subnet: 's', namespace: 'a', name: 'x.a' }, 'delete ips a x.a'],
  [{ verb: 'read', subnet: 's', namespace: 'a', name: 'x.a' }, 'get ips a x.a'],
  [{ verb: 'read', namespace: 'a' }, 'list ips a '],
  [{ verb: 'read' }, 'list ips  '],
  [{ verb: 'adopt', namespace: 'a', name: 'x.a' }, 'update ips a x.a'],
  [{ verb: 'transfer', namespace: 'a', name: 'x.a' }, 'update ips a x.a'],
  [{ verb: 'force', namespace: 'a', name: 'x.a' }, 'force ips a x.a'],
  [{ verb: 'configure', subnet: 's' }, 'configure ips  '],
  [{ verb: 'keys' }, '* ips  '],
  [{ verb: 'look', subnet: 's' }, 'get subnets  s'],
  [{ verb: 'look' }, 'list subnets  '],
] as const)('%o is asked of the cluster as %s', (ask, wanted) => {
  const { group, verb, resource, namespace, name } = attributesOf(ask)
  expect(group).toBe('kubeovn.io')
  expect([verb, resource, namespace, name].join(' ')).toBe(wanted)
})
