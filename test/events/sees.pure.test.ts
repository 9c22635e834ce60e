import { expect, it } from 'vitest'
import { sees } from '../../functions/events/sees.ts'
import { type Grant, grantedRights } from '../../shared/access/grants.ts'

const read = (subnets: string[], namespaces: string[]): Grant => ({ verbs: ['read'], subnets, namespaces })
const ALL = read(['*'], ['*'])
const WHOLE_SUBNET = read(['blue'], ['*'])
const ONE_NAMESPACE = read(['blue'], ['shop'])
const ELSEWHERE = read(['red'], ['*'])

const event = (type: string, data: object, space = 'default/blue') => ({
  n: 1,
  space,
  id: 'evt_1',
  type,
  subject: 'web.shop',
  data: JSON.stringify(data),
  at: 0,
})
const OWNED = { owner: { namespace: 'shop', name: 'web' } }
/** Has no owner, and its problem may name others. */
const REFUSED = { operation: 'op_1', names: ['web.shop'], problem: { code: 'address_taken' } }
const DRIFT = { repository: 'blue', commit: 'abc', drift: 'prod/db in red was released outside Git' }

// Fault 81.
it.each<[string, ReturnType<typeof event>, Grant, boolean]>([
  ['a reservation, by everything', event('reserved', OWNED), ALL, true],
  ['a reservation, by its Subnet', event('reserved', OWNED), WHOLE_SUBNET, true],
  ['a reservation, by its namespace', event('contested', OWNED), ONE_NAMESPACE, true],
  ['a reservation, by another namespace', event('reserved', OWNED), read(['blue'], ['prod']), false],
  ['a reservation, by another Subnet', event('stranded', OWNED), ELSEWHERE, false],
  ['a refusal, by its Subnet', event('refused', REFUSED), WHOLE_SUBNET, true],
  ['a refusal, by one namespace of it', event('refused', REFUSED), ONE_NAMESPACE, false],
  ['drift, by everything', event('drift', DRIFT, 'git/blue'), ALL, true],
  ['drift, by a Subnet called like the repository', event('drift', DRIFT, 'git/blue'), WHOLE_SUBNET, false],
])('who sees %s', async (_, happened, grant, seen) => {
  expect(await sees(grantedRights([grant]), happened)).toBe(seen)
})
