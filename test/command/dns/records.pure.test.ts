import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { dnsEndpoints } from '../../../shared/command/dns/endpoints.ts'
import { masterFile } from '../../../shared/command/dns/master-file.ts'
import { zoneKind } from '../../../shared/command/dns/names.ts'
import { RecordCollector, type Records } from '../../../shared/command/dns/records.ts'
import type { Reservation } from '../../../shared/command/types.ts'
import { granted } from '../../support/fake-berth.ts'

const ZONE = 'pods.example.org'

interface Wish {
  readonly owner?: Partial<Reservation['owner']>
  readonly v4?: string
  readonly v6?: string
}

let count = 0
function bound({ owner, v4 = '10.16.0.3', v6 = '' }: Wish): Reservation {
  const base = granted({ subnet: 's', namespace: 'default', podName: 'web-1', podType: '' }, ++count)
  return { ...base, owner: { ...base.owner, ...owner }, v4IpAddress: v4, v6IpAddress: v6 }
}

function collect(wishes: readonly Wish[], zone = ZONE, domain = ZONE): Records {
  const collector = new RecordCollector(zone, domain)
  for (const wish of wishes) collector.add(bound(wish))
  return collector.result()
}
const lines = (records: Records) => records.records.map(({ name, type, value }) => `${name} ${type} ${value}`)
const written = (records: Records) =>
  masterFile({ zone: ZONE, server: 'ns.invalid', ttlSeconds: 300, serial: 7, ...records })

describe('an owner’s name', () => {
  const label = (length: number) => 'a'.repeat(length)
  it.each<[string, Partial<Reservation['owner']>, string]>([
    ['is Pod and namespace', {}, 'web-1.default.pods.example.org'],
    ['has the dots of the Pod', { name: 'db.v2' }, 'db.v2.default.pods.example.org'],
    [
      'has a provider that is not ovn',
      { provider: 'net1.default.ovn' },
      'web-1.default.net1.default.ovn.pods.example.org',
    ],
    ['has labels of 63', { name: label(63) }, `${label(63)}.default.pods.example.org`],
  ])('%s', (_, owner, name) => {
    expect(collect([{ owner }]).records).toEqual([
      { name, type: 'A', value: '10.16.0.3', namespace: owner.namespace ?? 'default' },
    ])
  })

  it.each<[string, Partial<Reservation['owner']>, string]>([
    ['a label of 64', { name: label(64) }, 'label'],
    ['upper case', { name: 'Web' }, 'label'],
    ['an underscore', { name: 'a_b' }, 'label'],
    ['a wildcard', { name: '*' }, 'label'],
    ['a hyphen at the end', { name: 'a-' }, 'label'],
    ['no letters', { name: '' }, 'label'],
    ['a line feed', { name: 'a\nevil 300 IN A 6.6.6.6' }, 'label'],
    ['a semicolon', { name: 'a;b' }, 'label'],
    ['a quote', { name: 'a"b' }, 'label'],
    ['a dot in the namespace', { namespace: 'a.b' }, 'label'],
    ['a bad provider', { provider: 'x y' }, 'label'],
    ['too many labels', { name: Array(4).fill(label(60)).join('.') }, 'length'],
  ])('is not made of %s', (_, owner, why) => {
    const records = collect([{ owner }])
    expect(records).toMatchObject({ records: [], leftOut: [{ why }] })
  })
})

describe('a zone', () => {
  it('has both families of one owner', () => {
    expect(lines(collect([{ v6: 'fd00::3' }]))).toEqual([
      'web-1.default.pods.example.org A 10.16.0.3',
      'web-1.default.pods.example.org AAAA fd00::3',
    ])
  })

  it('gives a name that two owners could have to neither', () => {
    const records = collect([
      { owner: { name: 'x', namespace: 'y', provider: 'a.b' } },
      { owner: { name: 'x.y.a', namespace: 'b' }, v4: '10.16.0.4' },
      { owner: { name: 'z' }, v4: '10.16.0.5' },
    ])
    expect(lines(records)).toEqual(['z.default.pods.example.org A 10.16.0.5'])
    expect(records.leftOut.map(({ why }) => why)).toEqual(['shared', 'shared'])
  })

  it('is the same whatever the order', () => {
    const wishes: Wish[] = ['c', 'a', 'b'].map((name, n) => ({ owner: { name }, v4: `10.0.0.${n}` }))
    expect(lines(collect(wishes))).toEqual(lines(collect([...wishes].reverse())))
  })

  it('is a master file', () => {
    expect(written(collect([{ v6: 'fd00::3' }]))).toBe(`$ORIGIN pods.example.org.
$TTL 300
@ IN SOA ns.invalid. hostmaster.pods.example.org. 7 3600 600 604800 300
@ IN NS ns.invalid.
web-1.default.pods.example.org. IN A 10.16.0.3
web-1.default.pods.example.org. IN AAAA fd00::3
`)
  })

  const LINE =
    /^(?:\$(?:ORIGIN|TTL) \S+|@ IN (?:SOA|NS) [\w .-]+|[a-z0-9.-]+ IN (?:A [\d.]+|AAAA [0-9a-f:]+)|; (?:no record for res_\d+: [\w ]+|and \d+ more without a record))$/

  // Fault 77's kin: what others wrote into objects ends no line and begins no directive.
  it('keeps its lines whatever the names are', () => {
    const hostile = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom(
        'a\n$INCLUDE /etc/passwd',
        'a\r\nb',
        'a b',
        '@',
        '$ORIGIN .',
        'a(',
        'a;',
        'ok',
        'a.b',
        '\\010',
      ),
    )
    const owner = fc.record({
      name: hostile,
      namespace: hostile,
      provider: fc.oneof(fc.constant('ovn'), hostile),
    })
    fc.assert(
      fc.property(fc.array(owner, { maxLength: 30 }), (owners) => {
        const records = collect(owners.map((one, n) => ({ owner: one, v4: `10.0.0.${n}` })))
        const file = written(records).slice(0, -1).split('\n')
        for (const line of file) expect(line).toMatch(LINE)
        const named = new Set(records.leftOut.map(({ id }) => id)).size
        expect(records.records.length + named).toBe(owners.length)
      }),
    )
  })

  it('names twenty of those without a record, and counts the rest', () => {
    const file = written(collect(Array.from({ length: 23 }, () => ({ owner: { name: '' } }))))
    expect(file.match(/^; no record/gm)).toHaveLength(20)
    expect(file).toContain('; and 3 more without a record\n')
  })
})

describe('a reverse zone', () => {
  const reverse = (zone: string, ...wishes: Wish[]) => collect(wishes, zone, ZONE)

  it('has the names of its own addresses', () => {
    const wishes = [{ v6: 'fd00::3' }, { owner: { name: 'b' }, v4: '10.17.0.3' }]
    expect(lines(reverse('16.10.in-addr.arpa', ...wishes))).toEqual([
      '3.0.16.10.in-addr.arpa PTR web-1.default.pods.example.org',
    ])
    expect(lines(reverse('d.f.ip6.arpa', ...wishes))).toEqual([
      `3.${'0.'.repeat(29)}d.f.ip6.arpa PTR web-1.default.pods.example.org`,
    ])
    expect(lines(reverse('6.10.in-addr.arpa', ...wishes))).toEqual([])
  })

  it('has no name for an address of two owners', () => {
    const records = reverse('10.in-addr.arpa', {}, { owner: { name: 'b' } })
    expect(records).toMatchObject({ records: [], leftOut: [{ why: 'shared' }, { why: 'shared' }] })
  })

  it.each([
    ['example.org', 'forward'],
    ['in-addr.arpa', 'reverse'],
    ['255.0.16.10.in-addr.arpa', 'reverse'],
    ['256.10.in-addr.arpa', 'malformed'],
    ['01.10.in-addr.arpa', 'malformed'],
    ['1.2.3.4.5.in-addr.arpa', 'malformed'],
    ['a.f.ip6.arpa', 'reverse'],
    ['ab.ip6.arpa', 'malformed'],
    [`${'0.'.repeat(33)}ip6.arpa`, 'malformed'],
  ])('%s is %s', (zone, kind) => expect(zoneKind(zone)).toBe(kind))
})

it('DNSEndpoints are one a name, in the owner’s namespace', () => {
  const records = collect([{ v6: 'fd00::3' }, { owner: { name: 'b', namespace: 'blue' }, v4: '10.16.0.4' }])
  const objects = dnsEndpoints({ zone: ZONE, server: 'ns.invalid', ttlSeconds: 60, serial: 7, ...records })
  const endpoint = (dnsName: string, recordType: string, target: string) => ({
    dnsName,
    recordTTL: 60,
    recordType,
    targets: [target],
  })
  const object = (name: string, namespace: string, ...endpoints: object[]) => ({
    apiVersion: 'externaldns.k8s.io/v1alpha1',
    kind: 'DNSEndpoint',
    metadata: { name, namespace, labels: { 'app.kubernetes.io/managed-by': 'berth' } },
    spec: { endpoints },
  })
  const [b, web] = ['b.blue.pods.example.org', 'web-1.default.pods.example.org'] as const
  expect(objects).toEqual([
    object(b, 'blue', endpoint(b, 'A', '10.16.0.4')),
    object(web, 'default', endpoint(web, 'A', '10.16.0.3'), endpoint(web, 'AAAA', 'fd00::3')),
  ])
})
