import { describe, expect, it } from 'vitest'
import { clusterNames, clustersError, sharedSpaceOf, variablesOf } from '../../functions/clusters.ts'
import { settingsOf } from '../../functions/settings.ts'

const WEST = {
  name: 'west',
  apiUrl: 'https://west.example:6443',
  authority: 'alone',
  ovn: 'tcp:10.0.0.1:6641',
}
const variables = (clusters: unknown, secrets?: unknown, spaces?: unknown) => ({
  KUBE_TOKEN: 'token-of-default',
  OVN_NB: 'tcp:10.9.9.9:6641',
  WINDOW: 'ovn-default=10.16.0.9',
  CLUSTERS: JSON.stringify(clusters),
  ...(secrets === undefined ? {} : { CLUSTER_SECRETS: JSON.stringify(secrets) }),
  ...(spaces === undefined ? {} : { SHARED_SPACES: JSON.stringify(spaces) }),
})
const SECRETS = { west: { token: 'token-of-west', admission: 'a'.repeat(32) } }

describe('a further cluster', () => {
  it('has its own settings, and none of the default one', () => {
    const all = variables([WEST, { name: 'lab' }], SECRETS)
    expect(clusterNames(all)).toEqual(['default', 'west', 'lab'])
    const settings = settingsOf(variablesOf(all, 'west') ?? {})
    expect(settings.cluster).toEqual({
      kind: 'kubernetes',
      url: WEST.apiUrl,
      token: 'token-of-west',
      authority: 'alone',
    })
    expect([settings.northbound, settings.windows.size, settings.admissionSecret]).toEqual([
      'tcp:10.0.0.1:6641',
      0,
      'a'.repeat(32),
    ])
    const lab = settingsOf(variablesOf(all, 'lab') ?? {})
    expect([lab.cluster, lab.northbound]).toEqual([{ kind: 'embedded' }, undefined])
    expect(variablesOf(all, 'north')).toBeUndefined()
  })

  it('is a member of the space that names it', () => {
    const space = { name: 'vlan', subnets: ['default/a', 'west/b'] }
    const all = variables([WEST], SECRETS, [space])
    expect([sharedSpaceOf(all, 'west', 'b'), sharedSpaceOf(all, 'west', 'a')]).toEqual(['vlan', undefined])
    expect(sharedSpaceOf(all, 'default', 'a')).toBe('vlan')
  })
})

const space = (...subnets: string[]) => [{ name: 'vlan', subnets }]

describe('is misread, and no secret is told', () => {
  it.each<[string, ReturnType<typeof variables>, string]>([
    ['no JSON', { ...variables([]), CLUSTERS: '[' }, 'CLUSTERS is not JSON'],
    ['the default one', variables([{ name: 'default' }]), 'entry 1, name'],
    ['no name', variables([{ name: 'A b' }]), 'entry 1, name'],
    ['twice', variables([{ name: 'a' }, { name: 'a' }]), 'CLUSTERS names a twice'],
    ['an unknown field', variables([{ name: 'a', token: 'x' }]), 'entry 1'],
    ['no token', variables([WEST]), 'CLUSTER_SECRETS has no token for west'],
    ['a stray secret', variables([], SECRETS), 'CLUSTER_SECRETS names west'],
    ['no secret', variables([WEST], { west: { key: 'token-of-west' } }), 'CLUSTER_SECRETS must give'],
    ['a space of one', variables([{ name: 'a' }], {}, space('a/x')), 'entry 1, subnets'],
    ['a stranger', variables([{ name: 'a' }], {}, space('a/x', 'b/x')), 'there is no cluster of b/x'],
    ['a member twice', variables([{ name: 'a' }], {}, space('a/x', 'a/x')), 'names a/x twice'],
    ['no member', variables([{ name: 'a' }], {}, space('a/x', 'x')), 'entry 1, subnets.1'],
  ])('%s', (_, all, why) => {
    expect(clustersError(all)).toContain(why)
    expect(clustersError(all)).not.toContain('token-of')
  })
})
