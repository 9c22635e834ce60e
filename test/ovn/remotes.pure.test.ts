import { describe, expect, it } from 'vitest'
import { parseRemotes } from '../../shared/ovn/ovsdb/remotes.ts'

describe('OVN_NB', () => {
  it.each([
    ['tcp:10.0.0.1:6641', [{ host: '10.0.0.1', port: 6641, tls: false }]],
    ['ssl:[fd00::1]:6641', [{ host: 'fd00::1', port: 6641, tls: true }]],
    ['tcp:ovn-nb.kube-system.svc:6641', [{ host: 'ovn-nb.kube-system.svc', port: 6641, tls: false }]],
    [
      'tcp:10.0.0.1:6641,tcp:10.0.0.2:6641, tcp:10.0.0.3:6641',
      [1, 2, 3].map((n) => ({ host: `10.0.0.${n}`, port: 6641, tls: false })),
    ],
  ])('%s', (text, remotes) => {
    expect(parseRemotes(text)).toEqual({
      ok: true,
      value: remotes.map((one) => expect.objectContaining(one)),
    })
  })

  it.each([
    ['', /empty/],
    ['tcp:10.0.0.1:6641,', /empty/],
    ['10.0.0.1:6641', /not of the form/],
    ['tcp:10.0.0.1', /not of the form/],
    ['tcp:10.0.0.1:0', /no port/],
    ['tcp:10.0.0.1:65536', /no port/],
    ['tcp:10.0.0.1:66411', /no port/],
    ['tcp:10.0.0.256:6641', /not an IP address/],
    ['tcp:10.1:6641', /not an IP address/],
    ['tcp:fd00::1:6641', /not of the form/],
    ['ssl:[fd00::1::2]:6641', /not an IP address/],
    ['ssl:[10.0.0.1]:6641', /no IPv6/],
    ['http://10.0.0.1:6641', /not of the form/],
    ['unix:/run/ovn/ovnnb_db.sock', /not for clients over a network/],
    ['ptcp:6641', /not for clients/],
    ['tcp:a b:6641', /not of the form/],
    ['tcp:10.0.0.1:6641,tcp:10.0.0.1:6641', /twice/],
  ])('%s is refused in words', (text, words) => {
    expect(parseRemotes(text)).toEqual({ ok: false, error: expect.stringMatching(words) })
  })
})
