import { describe, expect, test } from 'vitest'
import { accessOf, settingsOf, type Variables } from '../../functions/settings.ts'

const KUBERNETES = { CLUSTER: 'kubernetes' }

test.each<[string, Variables, object]>([
  ['nothing set', {}, { cluster: { kind: 'embedded' }, keepVmIp: true, waitMs: 5_000 }],
  [
    'nothing set, as workerd hands it on',
    { CLUSTER: null, QUARANTINE_MS: null },
    { ledger: { quarantineMs: 0 } },
  ],
  ['embedded: a released address is free at once', {}, { ledger: { quarantineMs: 0, mirrored: false } }],
  [
    'kubernetes: in a Pod nothing else is needed',
    KUBERNETES,
    { cluster: { kind: 'kubernetes', url: 'https://kubernetes.default.svc', authority: 'auto' } },
  ],
  [
    'kubernetes: a released address cools down, and a mirror tells the ledgers',
    KUBERNETES,
    { ledger: { quarantineMs: 300_000, mirrored: true } },
  ],
  [
    'kubernetes: elsewhere',
    { ...KUBERNETES, KUBE_API_URL: 'https://api.example:6443/k8s/', KUBE_TOKEN: 't', AUTHORITY: 'alone' },
    { cluster: { url: 'https://api.example:6443/k8s', token: 't', authority: 'alone' } },
  ],
  ['OVN_NB=none', { OVN_NB: 'none' }, { ledger: { ovn: false, driveMs: 15_000 } }],
  [
    'OVN_NB: ports are looked after, and a driver is given the time a cut may take',
    { OVN_NB: 'tcp:10.0.0.1:6641,tcp:10.0.0.2:6641' },
    { northbound: 'tcp:10.0.0.1:6641,tcp:10.0.0.2:6641', ledger: { ovn: true, driveMs: 60_000 } },
  ],
  ['KEEP_VM_IP', { KEEP_VM_IP: 'false' }, { keepVmIp: false }],
])('%s', (_, variables, expected) => {
  expect(settingsOf(variables)).toMatchObject(expected)
})

test.each<[string, Variables, string]>([
  ['another cluster', { CLUSTER: 'nomad' }, 'CLUSTER=nomad'],
  ['beside, embedded', { AUTHORITY: 'beside' }, 'not available on the embedded cluster'],
  ['another authority', { ...KUBERNETES, AUTHORITY: 'both' }, 'AUTHORITY=both'],
  ['no URL', { ...KUBERNETES, KUBE_API_URL: 'api:6443' }, 'KUBE_API_URL'],
  ['a URL with a password', { ...KUBERNETES, KUBE_API_URL: 'https://u:secret@api' }, 'KUBE_API_URL'],
  ['a URL with a query', { ...KUBERNETES, KUBE_API_URL: 'https://api?x=1' }, 'KUBE_API_URL'],
  ['half a truth', { KEEP_VM_IP: 'yes' }, 'KEEP_VM_IP must be true or false'],
])('%s is refused, by name and without its value where that may be secret', (_, variables, words) => {
  expect(() => settingsOf(variables)).toThrow(words)
  expect(() => settingsOf(variables)).not.toThrow('secret')
})

describe('ACCESS', () => {
  test.each<[Variables, string]>([
    [{}, 'loopback-anonymous'],
    [KUBERNETES, 'required'],
    [{ ...KUBERNETES, ACCESS: 'loopback-anonymous' }, 'loopback-anonymous'],
    [{ ACCESS: 'required' }, 'required'],
    [{ ACCESS: 'everybody' }, 'required'],
    [{ CLUSTER: 'nomad' }, 'required'],
  ])('%o: %s', (variables, mode) => {
    expect(accessOf(variables)).toBe(mode)
  })
})
