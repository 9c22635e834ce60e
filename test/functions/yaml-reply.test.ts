import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { chooseRepresentation } from '../../functions/reply/accept.ts'
import { writeYaml } from '../../functions/reply/yaml.ts'
import seedStatic from '../data/seed/02-static.yaml?raw'
import { fakeDoor, granted } from '../support/fake-berth.ts'
import { call, ITEM, json, WISH, yaml } from './call.ts'

const Accept = 'application/yaml'

/** The seed's second object, printed as kubectl prints it. */
const GOLDEN = `apiVersion: kubeovn.io/v1
kind: IP
metadata:
  annotations:
    berth/epoch: "1"
    berth/op: op_1_default~ovn-default
  finalizers:
  - kubeovn.io/kube-ovn-controller
  labels:
    ovn.kubernetes.io/ip_reserved: "true"
    ovn.kubernetes.io/node-name: ""
    ovn.kubernetes.io/subnet: ovn-default
  name: pod-static-01.default
spec:
  attachIps: []
  attachMacs: []
  attachSubnets: []
  containerID: ""
  ipAddress: 10.16.0.3
  macAddress: 00:00:00:4d:b4:36
  namespace: default
  nodeName: ""
  podName: pod-static-01
  podType: ""
  subnet: ovn-default
  v4IpAddress: 10.16.0.3
  v6IpAddress: ""
`

describe('YAML replies', () => {
  it('are the object alone, as kubectl prints it', async () => {
    const reply = await call(fakeDoor(), '/v1/reserve', { ...yaml(seedStatic), headers: { Accept } })
    expect(reply.status).toBe(201)
    expect(reply.headers.get('content-type')).toBe('application/yaml')
    expect(await reply.text()).toBe(GOLDEN)
  })

  it('can be sent back as they are', async () => {
    const door = fakeDoor()
    expect((await call(door, '/v1/reserve', yaml(GOLDEN))).status).toBe(201)
    expect((await call(door, '/v1/release', yaml(GOLDEN))).status).toBe(200)
  })

  it('are a List for several', async () => {
    const options = { ...json({ items: [WISH, WISH] }), headers: { Accept } }
    const text = await (await call(fakeDoor(), '/v1/reserve', options)).text()
    expect(text).toMatch(/^apiVersion: v1\nitems:\n- apiVersion: kubeovn\.io\/v1\n {2}kind: IP\n/)
    expect(text).toMatch(/\nkind: List\nmetadata:\n {2}resourceVersion: ""\n$/)
    expect(parse(text).items).toEqual([granted(ITEM, 0).object, granted(ITEM, 1).object])
    expect((await call(fakeDoor(), '/v1/reserve', yaml(text))).status).toBe(201)
  })

  it('keep the token of a page', async () => {
    const reply = await call(fakeDoor(), '/v1/reservations', { headers: { Accept } })
    expect(parse(await reply.text()).metadata).toEqual({ continue: 'next', resourceVersion: '' })
  })

  it('bear the type that was asked for', async () => {
    const reply = await call(fakeDoor(), '/v1/reservations/a', { headers: { Accept: 'text/x-yaml' } })
    expect(reply.headers.get('content-type')).toBe('text/x-yaml')
  })

  it('leave refusals in JSON', async () => {
    const reply = await call(fakeDoor(), '/v1/reserve', { ...json({}), headers: { Accept } })
    expect(reply.headers.get('content-type')).toBe('application/problem+json')
  })
})

it.for([
  ['plain', 'web-1.default', 'web-1.default'],
  ['IPv6', 'fd00:10:17::3', 'fd00:10:17::3'],
  ['empty', '', '""'],
  ['a boolean', 'true', '"true"'],
  ['a boolean of YAML 1.1', 'no', '"no"'],
  ['a number', '1', '"1"'],
  ['an octal', '0o17', '"0o17"'],
  ['null', 'null', '"null"'],
  ['a tilde', '~', '"~"'],
  ['a time, as go-yaml quotes it', '1:30', '"1:30"'],
  ['a MAC that reads as base 60', '02:11:22:33:44:55', '"02:11:22:33:44:55"'],
  ['a timestamp', '2026-10-01T12:00:00Z', '"2026-10-01T12:00:00Z"'],
  ['a colon and a space', 'a: b', '"a: b"'],
  ['a hash', '#a', '"#a"'],
  ['lines that begin blank', ' \na', '"\\ \\na"'],
  ['lines', 'a\nb\n', '|\n  a\n  b'],
] as const)('writes %s so that every reader reads it back', ([, value, text]) => {
  expect(writeYaml({ a: value })).toBe(`a: ${text}\n`)
  for (const version of ['1.1', '1.2'] as const)
    expect(parse(writeYaml({ a: value }), { version })).toEqual({ a: value })
})

it('reads back whatever it writes', () => {
  const unit = fc.constantFrom(...'0189abefox_.:-+~#!&*?|>%@`\'" \n\u2028\ufeff,[]{}=<yYnN')
  const text = fc.oneof(fc.string({ unit, maxLength: 8 }), fc.string({ unit: 'grapheme', maxLength: 8 }))
  fc.assert(
    fc.property(text, (value) => {
      for (const version of ['1.1', '1.2'] as const)
        expect(parse(writeYaml({ a: [value] }), { version })).toEqual({ a: [value] })
    }),
    { numRuns: 2000 },
  )
})

it('sorts names and does not fold', () => {
  const long = 'x '.repeat(200).trim()
  expect(writeYaml({ b: 1, a: { d: [], c: {} }, c: [[{ f: 1, e: long }]] })).toBe(
    `a:\n  c: {}\n  d: []\nb: 1\nc:\n- - e: ${long}\n    f: 1\n`,
  )
})

it.for([
  [undefined, 'json'],
  ['*/*', 'json'],
  ['application/json', 'json'],
  ['APPLICATION/YAML', 'yaml'],
  ['text/yaml', 'yaml'],
  ['text/*', 'yaml'],
  ['application/*', 'json'],
  ['application/yaml, */*', 'yaml'],
  ['application/yaml;q=0.5, application/json', 'json'],
  ['application/yaml;q=0.9, application/json;q=0.8', 'yaml'],
  ['text/html, application/xhtml+xml, */*;q=0.8', 'json'],
  ['application/json;q=0, */*', 'yaml'],
  // Java's HttpURLConnection says this of itself.
  ['text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2', 'json'],
  ['application/json;charset=utf-8', 'json'],
  ['application/json;q=2', undefined],
  ['text/html', undefined],
  ['', undefined],
] as const)('Accept %s gives %s', ([header, representation]) => {
  expect(chooseRepresentation(header, ['json', 'yaml'])?.representation).toBe(representation)
})
