import { describe, expect, it } from 'vitest'
import type { Zone } from '../../shared/command/dns/zone.ts'
import { ok } from '../../shared/result.ts'
import { fakeDoor } from '../support/fake-berth.ts'
import { call, expectRefusal } from './call.ts'

const RECORD = { name: 'a.b.example.org', type: 'A', value: '10.16.0.3', namespace: 'b' } as const

const door = (more: Partial<Zone> = {}) =>
  fakeDoor({ zone: async (query) => ok({ ...query, serial: 7, records: [RECORD], leftOut: [], ...more }) })

describe('GET /v1/dns/{zone}', () => {
  it('hands on every parameter', async () => {
    const { fake, ...rest } = door()
    const query = 'domain=d.org&subnet=s&namespace=n&ttl=60&server=ns1.d.org'
    await call({ fake, ...rest }, `/v1/dns/10.in-addr.arpa?${query}`)
    await call({ fake, ...rest }, '/v1/dns/example.org')
    expect(fake.calls.map((made) => made.with)).toEqual([
      [
        {
          zone: '10.in-addr.arpa',
          domain: 'd.org',
          subnet: 's',
          namespace: 'n',
          ttlSeconds: 60,
          server: 'ns1.d.org',
        },
      ],
      [{ zone: 'example.org', ttlSeconds: 300, server: 'ns.invalid' }],
    ])
  })

  it.each([
    ['*/*', 'text/dns', /^\$ORIGIN example\.org\.\n/],
    ['text/plain', 'text/plain', /^\$ORIGIN/],
    [
      'application/yaml',
      'application/yaml',
      /^apiVersion: v1\nitems:\n- apiVersion: externaldns\.k8s\.io\/v1alpha1\n/,
    ],
    ['application/json', 'application/json', /^\{"apiVersion":"v1","items":\[\{"apiVersion":"externaldns/],
  ])('answers %s with %s', async (Accept, type, text) => {
    const reply = await call(door(), '/v1/dns/example.org', { headers: { Accept } })
    expect([reply.status, reply.headers.get('content-type')]).toEqual([200, type])
    expect(reply.headers.get('vary')).toBe('Accept')
    expect(await reply.text()).toMatch(text)
  })

  it('is 304 for whoever has it', async () => {
    const first = await call(door(), '/v1/dns/example.org')
    const tag = first.headers.get('etag')!
    expect(tag).toMatch(/^"[0-9a-f]{32}"$/)
    const again = async (header: string, more: Partial<Zone> = {}) => {
      const reply = await call(door(more), '/v1/dns/example.org', { headers: { 'If-None-Match': header } })
      return [reply.status, (await reply.text()).length > 0, reply.headers.get('etag') === tag]
    }
    for (const header of [tag, `W/${tag}`, `"x", ${tag}`, '*'])
      expect(await again(header)).toEqual([304, false, true])
    expect(await again('"x"')).toEqual([200, true, true])
    expect(await again(tag, { serial: 8 })).toEqual([200, true, false])
  })

  it('counts what has no record', async () => {
    const reply = await call(door({ leftOut: [{ id: 'res_1', why: 'label' }] }), '/v1/dns/example.org')
    expect(reply.headers.get('warning')).toBe('299 berth "reservations without a record: 1"')
    expect(await reply.text()).toContain('\n; no record for res_1: its owner is no DNS name\n')
  })

  it.each([
    ['/v1/dns/example.org?ttl=0', 'invalid_field', 'ttl'],
    ['/v1/dns/example.org?ttl=604801', 'invalid_field', 'ttl'],
    ['/v1/dns/example.org?Server=x', 'invalid_field', 'Server'],
    ['/v1/dns/example.org?subnet=A', 'invalid_name', 'subnet'],
    ['/v1/dns/a%0Ab', 'invalid_field', 'zone'],
  ])('refuses %s', async (path, code, field) => {
    await expectRefusal(path, {}, { status: 400, code, field })
  })
})
