import { describe, expect, test } from 'vitest'
import type { MirrorStore } from '../../../shared/cluster/mirror/store.ts'
import type { KubeObject } from '../../../shared/cluster/port.ts'
import { mirrorStore } from '../../support/faulty-cluster.ts'
import { nodeSql } from '../../support/node-sqlite.ts'

let version = 100
/** The next version of an object; its name tells the uid unless `uid` does. */
function seen(
  kind: string,
  name: string,
  more: { namespace?: string; uid?: string; spec?: unknown; status?: unknown; owners?: object[] } = {},
): KubeObject {
  return {
    apiVersion: 'any',
    kind,
    metadata: {
      name,
      ...(more.namespace === undefined ? {} : { namespace: more.namespace }),
      uid: more.uid ?? `uid-${name}`,
      resourceVersion: String(++version),
      ...(more.owners ? { ownerReferences: more.owners as never } : {}),
    },
    ...(more.spec === undefined ? {} : { spec: more.spec }),
    ...(more.status === undefined ? {} : { status: more.status }),
  }
}
const ip = (name: string, subnet = 'a', uid?: string) =>
  seen('IP', name, {
    spec: { subnet, namespace: 'ns', podName: name, v4IpAddress: '10.0.0.1' },
    ...(uid === undefined ? {} : { uid }),
  })

/** A store whose Subnets `a` and `b` were listed to their ledgers. */
function listedStore(): MirrorStore {
  const store = mirrorStore()
  for (const subnet of ['a', 'b']) {
    store.outbox.configured(subnet, `uid-${subnet}`, '{}')
  }
  tellLists(store)
  return store
}
/** Ledgers are told all there is. */
function tellLists(store: MirrorStore): void {
  for (const subnet of ['a', 'b']) {
    store.outbox.beginList(subnet)
    store.outbox.endList(subnet)
  }
}
const marks = (store: MirrorStore, subnet: string) =>
  store.outbox.marks(subnet, 100).map(({ what, name, uid }) => [what, name, uid].filter(Boolean).join(' '))
const put = (store: MirrorStore, object: KubeObject) =>
  store.apply(object.kind as 'IP', { type: 'MODIFIED', object }, 0)
const remove = (store: MirrorStore, object: KubeObject) =>
  store.apply(object.kind as 'IP', { type: 'DELETED', object }, 0)

describe('a list', () => {
  test('is whole at its end only: until then nothing is gone and there is no version to watch from', () => {
    const store = listedStore()
    const first = store.beginList('IP')
    store.takePage(first, [ip('x'), ip('y')])
    store.endList('IP', first, '200', 0)
    expect(store.kind('IP')).toMatchObject({ state: 'synced', rv: '200' })
    expect(store.outbox.feed('a')?.state).toBe('none')
    tellLists(store)
    const second = store.beginList('IP')
    store.takePage(second, [ip('y')])
    expect(store.kind('IP')).toMatchObject({ state: 'synced', rv: '' })
    expect(store.get('IP', '', 'x')).toBeDefined()
    store.outbox.settle(store.outbox.marks('a', 100))
    // It broke off; the next one begins from nothing.
    const third = store.beginList('IP')
    store.takePage(third, [ip('z')])
    expect(marks(store, 'a')).toEqual(['object z'])
    store.endList('IP', third, '300', 0)
    expect(store.all('IP').map(({ metadata }) => metadata.name)).toEqual(['z'])
    expect(marks(store, 'a')).toEqual(['object z', 'gone x uid-x', 'gone y uid-y'])
  })

  test('that brings nothing new tells nobody anything', () => {
    const store = listedStore()
    const object = ip('x')
    put(store, object)
    store.outbox.settle(store.outbox.marks('a', 100))
    const list = store.beginList('IP')
    expect([...store.takePage(list, [object]), ...store.endList('IP', list, '200', 0)]).toEqual([])
    expect(marks(store, 'a')).toEqual([])
  })

  test('an object made anew under the same name is gone and there', () => {
    const store = listedStore()
    put(store, ip('x'))
    store.outbox.settle(store.outbox.marks('a', 100))
    const list = store.beginList('IP')
    store.takePage(list, [ip('x', 'a', 'another')])
    store.endList('IP', list, '200', 0)
    expect(marks(store, 'a')).toEqual(['gone x uid-x', 'object x'])
  })

  test('a kind that is not served any more: all of it is gone', () => {
    const store = listedStore()
    put(store, ip('x'))
    store.outbox.settle(store.outbox.marks('a', 100))
    expect([...store.absent('IP', 5)]).toEqual(['a'])
    expect(store.kind('IP')).toEqual({ state: 'absent', rv: '', heardMs: 5 })
    expect(marks(store, 'a')).toEqual(['gone x uid-x'])
  })
})

describe('events', () => {
  test('an IP object that moves to another Subnet is gone there and new here', () => {
    const store = listedStore()
    put(store, ip('x', 'a'))
    store.outbox.settle(store.outbox.marks('a', 100))
    expect([...put(store, ip('x', 'b'))].sort()).toEqual(['a', 'b'])
    expect(marks(store, 'a')).toEqual(['gone x uid-x'])
    expect(marks(store, 'b')).toEqual(['object x'])
  })

  test('a new version of an IP object is news even where nothing that is kept changed', () => {
    const store = listedStore()
    put(store, ip('x'))
    store.outbox.settle(store.outbox.marks('a', 100))
    put(store, ip('x'))
    expect(marks(store, 'a')).toEqual(['object x'])
  })

  test('a change while the mark is being told makes a mark of its own', () => {
    const store = listedStore()
    put(store, ip('x'))
    const underWay = store.outbox.marks('a', 100)
    put(store, ip('x'))
    store.outbox.settle(underWay)
    expect(marks(store, 'a')).toEqual(['object x'])
  })

  test('nothing is collected for a Subnet that is yet to be listed', () => {
    const store = mirrorStore()
    expect([...put(store, ip('x'))]).toEqual(['a'])
    expect(store.outbox.waiting()).toBe(0)
  })

  test('a Subnet whose status alone changed is no news; its version is kept', () => {
    const store = listedStore()
    const spec = { cidrBlock: '10.0.0.0/24' }
    put(store, seen('Subnet', 'a', { spec, status: { v4usingIPs: 1 } }))
    const later = seen('Subnet', 'a', { spec, status: { v4usingIPs: 2 } })
    expect([...put(store, later)]).toEqual([])
    expect(store.get('Subnet', '', 'a')?.metadata.resourceVersion).toBe(later.metadata.resourceVersion)
  })

  test('a pool concerns the Subnet it is of and the one it was of', () => {
    const store = listedStore()
    put(store, seen('IPPool', 'p', { spec: { subnet: 'a', ips: [] } }))
    expect([...put(store, seen('IPPool', 'p', { spec: { subnet: 'b', ips: [] } }))].sort()).toEqual([
      'a',
      'b',
    ])
  })

  test('rows, version and marks survive together', () => {
    const sql = nodeSql()
    const store = mirrorStore(sql)
    store.outbox.configured('a', 'u', '{}')
    store.outbox.beginList('a')
    store.apply('IP', { type: 'ADDED', object: ip('x') }, 7)
    const again = mirrorStore(sql)
    expect(again.kind('IP')).toEqual({ state: 'synced', rv: String(version), heardMs: 7 })
    expect(marks(again, 'a')).toEqual(['object x'])
    again.apply('IP', { type: 'BOOKMARK', resourceVersion: '900' }, 8)
    expect(again.kind('IP')).toEqual({ state: 'synced', rv: '900', heardMs: 8 })
  })
})

describe('owners', () => {
  const machine = [{ apiVersion: 'kubevirt.io/v1', kind: 'VirtualMachineInstance', name: 'vm', uid: 'u' }]
  const running = { status: { phase: 'Running' } }
  const pod = (name: string, more: object = running) => seen('Pod', name, { namespace: 'ns', ...more })
  const vm = (kind: string, more: object = {}) => seen(kind, 'vm', { namespace: 'ns', ...more })

  test.each<[string, KubeObject, KubeObject | undefined, string[]]>([
    ['a Pod that is gone', pod('web-0'), undefined, ['web-0']],
    ['a Pod that has ended', pod('web-0'), pod('web-0', { status: { phase: 'Succeeded' } }), ['web-0']],
    ['a Pod made anew', pod('web-0'), pod('web-0', { uid: 'other' }), ['web-0']],
    ['a Pod that runs on', pod('web-0'), pod('web-0', { status: { phase: 'Pending' } }), []],
    ['a machine’s Pod', pod('launcher', { owners: machine }), undefined, ['vm']],
    ['a machine', vm('VirtualMachine'), undefined, ['vm']],
    [
      'a machine that stops',
      vm('VirtualMachine', { status: { printableStatus: 'Running' } }),
      vm('VirtualMachine', { status: { printableStatus: 'Stopped' } }),
      ['vm'],
    ],
    ['a machine’s instance', vm('VirtualMachineInstance'), undefined, ['vm']],
    [
      'a set that shrinks',
      seen('StatefulSet', 'web', { namespace: 'ns', spec: { replicas: 2 } }),
      seen('StatefulSet', 'web', { namespace: 'ns', spec: { replicas: 1 } }),
      ['web-0', 'web-1'],
    ],
  ])('%s: whoever has an IP object is looked at', (_, before, after, expected) => {
    const store = listedStore()
    for (const name of ['web-0', 'web-1', 'web-x', 'web-extra-0', 'vm', 'other']) put(store, ip(name))
    put(store, before)
    store.outbox.settle(store.outbox.marks('a', 100))
    const touched = after ? put(store, after) : remove(store, before)
    expect([...touched]).toEqual(expected.length > 0 ? ['a'] : [])
    expect(marks(store, 'a').sort()).toEqual(expected.map((name) => `nudge ns/${name}`).sort())
  })
})
