import { describe, expect, it } from 'vitest'
import type { PlanEntry } from '../../functions/gitops/plan.ts'
import { shownTo } from '../../functions/gitops/shown.ts'
import type { GitState } from '../../functions/gitops/state.ts'
import { type Grant, grantedRights } from '../../shared/access/grants.ts'

const read = (subnets: string[], namespaces: string[]) => [{ verbs: ['read'], subnets, namespaces } as Grant]
const EVERYTHING = read(['*'], ['*'])
const OF_SHOP = read(['blue'], ['shop'])
const WHOLE_SUBNET = read(['blue'], ['*'])

const FILE = 'ips/both.yaml'
const entry = (namespace: string, podName: string, more: Partial<PlanEntry> = {}): PlanEntry => ({
  action: 'unchanged',
  subnet: 'blue',
  namespace,
  podName,
  file: FILE,
  ...more,
})
const finding = (message: string, more: object = {}) =>
  ({ level: 'error', file: FILE, line: 1, message, ...more }) as const
const tracked = (namespace: string, podName: string) => ({
  ...{ subnet: 'blue', namespace, podName, file: FILE },
  ...{ name: `${podName}.${namespace}`, id: `res_${podName}` },
})

const TAKEN = '10.0.0.7 is promised to prod/db'
/** One file with manifests of two namespaces, the provider away. */
const STATE: GitState = {
  commit: 'c1',
  appliedAt: 0,
  tracked: [tracked('shop', 'web'), tracked('prod', 'db')],
  plan: {
    commit: 'c2',
    entries: [
      entry('shop', 'web', { action: 'refuse', why: TAKEN, code: 'address_taken' }),
      entry('prod', 'db'),
      entry('prod', 'red', { subnet: 'red' }),
    ],
    findings: [
      finding(TAKEN, { of: 'blue/shop/web', code: 'address_taken' }),
      finding('v4IpAddress is 10.0.0.7 and cannot change to 10.0.0.8', { of: 'blue/prod/db' }),
      finding('podName is twice here: db'),
    ],
  },
  trouble: 'GET /repos/org/infra answered 503',
}
const shown = (grants: readonly Grant[], state = STATE) => shownTo(grantedRights(grants), state)

// Fault 81.
describe('a repository, as far as a caller may read', () => {
  it('is shown whole to who may read everything', async () => {
    const all = await shown(EVERYTHING)
    expect(all?.plan?.entries).toEqual(STATE.plan?.entries)
    expect(all?.plan?.findings.map(({ message }) => message)).toEqual(
      STATE.plan?.findings.map(({ message }) => message),
    )
    expect(all?.trouble).toBe(STATE.trouble)
    expect(all?.tracked).toEqual(STATE.tracked)
  })

  it("tells of one namespace nothing of the other's, of the same file too", async () => {
    const few = await shown(OF_SHOP)
    expect(few).toMatchObject({ commit: 'c1', appliedAt: '1970-01-01T00:00:00.000Z', plan: { commit: 'c2' } })
    expect(few?.plan?.entries).toMatchObject([{ namespace: 'shop', podName: 'web' }])
    expect(few?.plan?.findings).toEqual([finding('the address is promised to somebody else')])
    expect(few?.tracked).toEqual([tracked('shop', 'web')])
    expect(JSON.stringify(few)).not.toMatch(/prod|db|10\.0\.0\.|org\/infra/)
    expect(few?.trouble).toBe('the last look at the repository came to nothing')
  })

  it('tells who is in the way to who may read the Subnet, and of no other Subnet', async () => {
    const some = await shown(WHOLE_SUBNET)
    expect(some?.plan?.findings).toHaveLength(2)
    expect(some?.plan?.findings[0]).toEqual(finding(TAKEN))
    expect(some?.plan?.entries[0]?.why).toBe(TAKEN)
    expect(JSON.stringify(some)).not.toMatch(/"red"|twice/)
  })

  it('is not there for others', async () => {
    expect(await shown(read(['blue'], ['nobody']))).toBeUndefined()
    expect(await shown([{ ...EVERYTHING[0]!, verbs: ['reserve', 'configure'] }])).toBeUndefined()
    expect(await shown(OF_SHOP, { tracked: [], trouble: 'x' })).toBeUndefined()
  })

  it('is there for who may read everything before anything was pushed', async () => {
    expect(await shown(EVERYTHING, { tracked: [] })).toEqual({ tracked: [] })
  })
})
