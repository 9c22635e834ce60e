import { expect, test } from 'vitest'
import { type AllVariables, misread } from '../../functions/misread.ts'
import { parseRemotes } from '../../shared/ovn/ovsdb/remotes.ts'
import { fakeDoor } from '../support/fake-berth.ts'

test.each<[string, AllVariables, readonly string[]]>([
  ['nothing set', {}, []],
  ['as plain workerd hands on what is not set', { ACCESS: null, CHAT: null, OVN_NB: null }, []],
  ['ports that are not looked after', { OVN_NB: 'none' }, []],
  [
    'a mode of access that there is not',
    { ACCESS: 'reqired' },
    ['ACCESS: there is loopback-anonymous and required'],
  ],
  [
    'a key instead of its hash',
    { ADMIN_KEY_SHA256: 'berth_admin_abc' },
    ['ADMIN_KEY_SHA256 must be 64 hex digits, lower case'],
  ],
  [
    'several, each told',
    { WAIT_MS: 'soon', RATE_LIMIT: '1', CHAT: '[', GIT: '[', OIDC: '{', OVN_NB: 'udp:10.0.0.1:1' },
    [
      expect.stringContaining('WAIT_MS'),
      'OIDC is not JSON',
      'CHAT is not JSON',
      'GIT is not JSON',
      expect.stringMatching(/^OVN_NB: ./),
    ],
  ],
  [
    'an entry of a list, counted as people count',
    {
      CHAT: '[{"platform":"slack","user":"U1","verbs":["read"],"subnets":["*"],"namespaces":["*"]},{"platform":"irc"}]',
    },
    [expect.stringMatching(/^CHAT: entry 2, verbs /)],
  ],
  ['a list that is none', { GIT: '{}' }, [expect.stringMatching(/^GIT: the value /)]],
  ['senders of events', { EVENTS: 'perhaps' }, [expect.stringContaining('EVENTS')]],
])('%s', (_, variables, wrong) => {
  expect(misread(variables, parseRemotes)).toEqual(wrong)
})

test('/readyz names what cannot be read, and asks nobody else', async () => {
  const door = fakeDoor({}, 'required', undefined, {}, ['CHAT is not JSON', 'GIT is not JSON'])
  const reply = await door.app.fetch(new Request('http://127.0.0.1:8787/readyz'))
  expect(reply.status).toBe(503)
  expect(await reply.json()).toMatchObject({
    code: 'unavailable',
    detail: 'not ready: variables',
    parts: { variables: { ready: false, detail: 'CHAT is not JSON; GIT is not JSON' } },
  })
  expect(door.fake.calls).toEqual([])
})
