import { describe, expect, it } from 'vitest'
import { parseCommand } from '../../functions/chatops/command.ts'

const parsed = (sentence: string) => {
  const command = parseCommand(sentence)
  return command.ok ? command.value : command.error
}

const VM = {
  verb: 'reserve',
  subnet: 'ovn-default',
  namespace: 'shop',
  podName: 'db-0',
  podType: 'VirtualMachine',
  v4IpAddress: '10.16.0.9',
}

describe('the same wish in many words', () => {
  it.each([
    'reserve ovn-default shop/db-0 vm 10.16.0.9',
    'reserve 10.16.0.9 vm shop/db-0 ovn-default',
    'RESERVE OVN-Default Shop/DB-0 VM 10.16.0.9',
    '/reserve ovn-default shop/db-0 vm 10.16.0.9',
    '  reserve\tovn-default\nshop/db-0   vm 10.16.0.9  ',
    'reserve “ovn-default” ‘shop/db-0’ vm 10.16.0.9',
    'reserve "ovn-default" \'shop/db-0\' vm `10.16.0.9`',
    'reserve ovn–default shop/db—0 vm 10.16.0.9',
    'reserve ovn‑default shop/db−0 vm 10.16.0.9',
    'reserve ovn-default shop/db-0 VirtualMachine 10.16.0.9',
    'reserve please in the subnet ovn-default for shop/db-0 as a vm with ip address 10.16.0.9',
    'reserve ovn-default, shop/db-0, vm 10.16.0.9',
    'reserve ovn-default shop/db-0 vm 10.16.0.9 because',
    'reserve ovn-default​ shop/db-0 vm 10.16.0.9',
    'reserve ovn-default shop/db-0 vm 10.16.0.9',
  ])('%s', (sentence) => expect(parsed(sentence)).toEqual(VM))
})

it.each<[string, object]>([
  ['reserve blue a/b', { verb: 'reserve', subnet: 'blue', namespace: 'a', podName: 'b', podType: '' }],
  ['reserve blue a/b sts', { verb: 'reserve', podType: 'StatefulSet' }],
  ['reserve "vm" a/b', { subnet: 'vm', podType: '' }],
  ['reserve "in" a/b', { subnet: 'in' }],
  ['reserve blue a/b fd00::9', { v6IpAddress: 'fd00::9' }],
  ['reserve blue a/b 10.0.0.9 fd00::9', { v4IpAddress: '10.0.0.9', v6IpAddress: 'fd00::9' }],
  ['reserve blue a/b 00-00-00-AA-BB-CC', { macAddress: '00:00:00:aa:bb:cc' }],
  [
    'reserve blue a/b because the DNS says "db", and vm 1.2.3.4',
    { reason: 'the DNS says "db", and vm 1.2.3.4' },
  ],
  ['reserve blue a/b Because of Müller’s order', { reason: "Müller's order" }],
  ['reserve blue a/b —reason moving', { reason: 'moving' }],
  ['release web.shop', { verb: 'release', target: { name: 'web.shop' }, force: false, confirmed: false }],
  ['release shop/web blue', { target: { namespace: 'shop', podName: 'web', subnet: 'blue' } }],
  ['release shop/web —force', { force: true, confirmed: false }],
  ['release yes web.shop force because gone', { force: true, confirmed: true, reason: 'gone' }],
  ['release "force"', { target: { name: 'force' }, force: false }],
  ['who 10.16.0.2', { verb: 'who', address: '10.16.0.2' }],
  ['who is FD00::2', { verb: 'who', address: 'FD00::2' }],
  ['whois web.shop', { verb: 'who', named: { name: 'web.shop' } }],
  ['who has 00:00:00:aa:bb:cc', { verb: 'who', mac: '00:00:00:aa:bb:cc' }],
  ['who shop/web', { verb: 'who', named: { namespace: 'shop', podName: 'web' } }],
  ['list', { verb: 'list' }],
  ['ls blue', { verb: 'list', subnet: 'blue' }],
  ['list blue shop/', { verb: 'list', subnet: 'blue', namespace: 'shop' }],
  ['list in namespace shop', { verb: 'list', namespace: 'shop' }],
  ['free blue', { verb: 'free', subnet: 'blue', count: 1 }],
  ['free 5 in blue', { verb: 'free', subnet: 'blue', count: 5 }],
  ['status', { verb: 'status' }],
  ['status blue', { verb: 'status', subnet: 'blue' }],
  [
    'status op_01k9f0q6yx3m2c7d5e8ghb_default~blue',
    { verb: 'status', operation: 'op_01k9f0q6yx3m2c7d5e8ghb_default~blue' },
  ],
  ['help', { verb: 'help' }],
  ['', { verb: 'help' }],
  ['   ', { verb: 'help' }],
  ['?', { verb: 'help' }],
])('%s', (sentence, wanted) => expect(parsed(sentence)).toMatchObject(wanted))

describe('what is not understood says what was', () => {
  it.each<[string, RegExp, string[]]>([
    ['reserve ovn-default vm', /Whose/, ['reserve', 'Subnet ovn-default', 'kind VirtualMachine']],
    ['reserve a/b 10.0.0.1', /which Subnet/, ['reserve', 'owner a/b', 'address 10.0.0.1']],
    ['reserve blue green a/b', /"green"/, ['reserve', 'Subnet blue']],
    ['reserve blue a/b c/d', /second owner/, ['reserve', 'Subnet blue', 'owner a/b']],
    [
      'reserve blue a/b vm sts',
      /second kind/,
      ['reserve', 'Subnet blue', 'owner a/b', 'kind VirtualMachine'],
    ],
    [
      'reserve blue a/b 10.0.0.1 10.0.0.2',
      /second one/,
      ['reserve', 'Subnet blue', 'owner a/b', 'address 10.0.0.1'],
    ],
    ['reserve blue a/b 10.0.0.256', /no IP address/, ['reserve', 'Subnet blue', 'owner a/b']],
    ['reserve blue a/b 01:00:00:00:00:01', /no unicast MAC/, ['reserve', 'Subnet blue', 'owner a/b']],
    ['reserve blue a/b/c', /not one namespace/, ['reserve', 'Subnet blue']],
    ['reserve blue ../../x', /not one namespace/, ['reserve', 'Subnet blue']],
    ['reserve blue a_b/c', /the namespace must be/, ['reserve', 'Subnet blue']],
    ['reserve blue a/b?dryRun=All', /the name must be/, ['reserve', 'Subnet blue']],
    ['release', /Which one/, ['release']],
    ['release a.b c.d', /One at a time/, ['release']],
    ['release 10.0.0.1', /who finds it by address/, ['release']],
    ['who', /Who what/, ['who']],
    ['free', /which Subnet/, ['free']],
    ['free blue 0', /1 to 50/, ['free', 'Subnet blue']],
    ['free blue 51', /1 to 50/, ['free', 'Subnet blue']],
    ['reserv blue a/b', /mean reserve/, []],
    ['constructor', /do not know/, []],
    ['__proto__ a', /do not know/, []],
    [`help ${'x'.repeat(2_000)}`, /2000 characters/, []],
  ])('%s', (sentence, wrong, understood) => {
    const said = parsed(sentence)
    expect(said).toMatchObject({ wrong: expect.stringMatching(wrong), understood })
  })
})
