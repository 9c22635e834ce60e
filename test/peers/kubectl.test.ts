import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { until } from '../../infra/dev/wait.ts'
import type { KubeObject } from '../../shared/cluster/port.ts'
import type { IpSpec } from '../../shared/kube-ovn/ip-object.ts'
import { Installation } from './installation.ts'

const SEED = join(import.meta.dirname, '../data/seed')
const MAC = /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/
/** The news of an object comes by the mirror. */
const BOUND_LIMIT_MS = 20_000
const CONTROLLER = 'system:serviceaccount:kube-system:ovn'

const LABELS = {
  'ovn.kubernetes.io/ip_reserved': 'true',
  'ovn.kubernetes.io/node-name': '',
  'ovn.kubernetes.io/subnet': 'ovn-default',
}

/** The seed's own door, on a real API server: `kubectl apply` of an IP object, and what protects it. */
describe('kubectl is a door', () => {
  let cluster: Installation
  let count = 0

  beforeAll(async () => {
    cluster = await Installation.start()
  })
  afterAll(() => cluster?.stop())

  /** A manifest of an owner nobody else has. */
  function newIp(spec: object = {}, podName = `web-${++count}`) {
    return {
      apiVersion: 'kubeovn.io/v1',
      kind: 'IP',
      metadata: { name: `${podName}.default` },
      spec: { subnet: 'ovn-default', podType: '', namespace: 'default', podName, ...spec },
    }
  }
  const ip = async (name: string) => (await cluster.get('ips', name)) as KubeObject<IpSpec> | undefined
  const isBound = (name: string) =>
    until(`${name} is bound`, BOUND_LIMIT_MS, async () =>
      (await cluster.reservation(name))?.state === 'bound' ? true : undefined,
    )
  const isFree = (name: string) =>
    until(`${name} is free`, BOUND_LIMIT_MS, async () =>
      (await cluster.reservation(name)) === undefined ? true : undefined,
    )
  const podOf = (name: string, annotations?: Record<string, string>, namespace = 'default') => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, ...(annotations ? { annotations } : {}) },
    spec: { containers: [{ name: 'c', image: 'none' }] },
  })

  describe('the seed’s two files', () => {
    test.each([
      [
        '01-dynamic.yaml',
        { podType: 'VirtualMachine', podName: 'vm-dynamic-01' },
        expect.stringMatching(/^10\.16\./),
      ],
      ['02-static.yaml', { podType: '', podName: 'pod-static-01' }, '10.16.0.3'],
    ])(
      '%s: kubectl apply makes the object of semantics.md §1, in one write',
      async (file, owner, address) => {
        await cluster.kubectl('apply', '-f', join(SEED, file))
        const name = `${owner.podName}.default`
        const object = await ip(name)
        expect(object?.metadata).toMatchObject({
          generation: 1,
          finalizers: ['kubeovn.io/kube-ovn-controller'],
          labels: LABELS,
        })
        expect(object?.metadata.labels).toEqual(LABELS)
        expect(object?.spec).toEqual({
          attachIps: [],
          attachMacs: [],
          attachSubnets: [],
          containerID: '',
          ipAddress: address,
          macAddress: expect.stringMatching(MAC),
          namespace: 'default',
          nodeName: '',
          ...owner,
          subnet: 'ovn-default',
          v4IpAddress: address,
          v6IpAddress: '',
        })
        await isBound(name)
        expect(await cluster.reservation(name)).toMatchObject({
          v4IpAddress: object?.spec?.v4IpAddress,
          macAddress: object?.spec?.macAddress,
        })
      },
    )

    test.each([
      ['01-dynamic.yaml', 'vm-dynamic-01.default'],
      ['02-static.yaml', 'pod-static-01.default'],
    ])('%s a second time, and by replace: the same reservation', async (file, name) => {
      const before = await ip(name)
      const path = join(SEED, file)
      await cluster.kubectl('apply', '-f', path)
      await cluster.kubectl('replace', '-f', path)
      await cluster.kubectl('apply', '-f', path)
      const after = await ip(name)
      expect(after?.spec).toEqual(before?.spec)
      expect(after?.metadata.labels).toEqual(LABELS)
      expect(after?.metadata.finalizers).toEqual(before?.metadata.finalizers)
      expect(after?.metadata.annotations).toMatchObject({
        'berth/op': before?.metadata.annotations?.['berth/op'],
        'berth/epoch': '1',
      })
      expect(after?.metadata.uid).toBe(before?.metadata.uid)
    })
  })

  describe('every way kubectl writes', () => {
    test('create, and create again: the second says it exists', async () => {
      const file = cluster.file([newIp()])
      await cluster.kubectl('create', '-f', file)
      const name = `web-${count}.default`
      const before = await ip(name)
      expect(await cluster.refused('create', '-f', file)).toContain('AlreadyExists')
      expect(await ip(name)).toEqual(before)
    })

    test('apply --server-side, twice', async () => {
      const file = cluster.file([newIp({ v4IpAddress: '10.16.4.1' })])
      const name = `web-${count}.default`
      await cluster.kubectl('apply', '--server-side', '-f', file)
      const before = await ip(name)
      expect(before?.spec?.ipAddress).toBe('10.16.4.1')
      await cluster.kubectl('apply', '--server-side', '-f', file)
      expect((await ip(name))?.spec).toEqual(before?.spec)
    })

    test('create --dry-run=server shows the object and holds nothing', async () => {
      const file = cluster.file([newIp()])
      const name = `web-${count}.default`
      const shown = await cluster.kubectl('create', '--dry-run=server', '-o', 'json', '-f', file)
      expect(shown).toContain('"ipAddress": "10.16.')
      expect(shown).not.toContain('berth/op')
      expect(await ip(name)).toBeUndefined()
      expect(await cluster.reservation(name)).toBeUndefined()
    })

    test('edit: what is promised stays, what is not may change', async () => {
      await cluster.apply(newIp())
      const name = `web-${count}.default`
      const before = await ip(name)
      const script = join(cluster.folder, 'editor.sh')
      const edit = async (sed: string) => {
        writeFileSync(script, `#!/bin/sh\nsed -i '${sed}' "$1"\n`, { mode: 0o755 })
        return cluster.kubectl('edit', 'ips', name, '--output-patch')
      }
      process.env.KUBE_EDITOR = script
      try {
        await edit('s|^  annotations:|  annotations:\\n    note: mine|')
        expect((await ip(name))?.metadata.annotations?.note).toBe('mine')
        await expect(edit('s|v4IpAddress: .*|v4IpAddress: 10.16.99.99|')).rejects.toThrow('spec.v4IpAddress')
      } finally {
        delete process.env.KUBE_EDITOR
      }
      expect((await ip(name))?.spec).toEqual(before?.spec)
    })

    test('nobody makes a reservation look like a node’s object, which no webhook meets', async () => {
      await cluster.apply(newIp())
      const name = `web-${count}.default`
      const before = await ip(name)
      const spec = { namespace: '', nodeName: `web-${count}`, v4IpAddress: '10.16.99.99' }
      const patch = JSON.stringify({ spec })
      expect(await cluster.refused('patch', 'ips', name, '--type=merge', `--patch=${patch}`)).toContain(
        'spec.',
      )
      expect((await ip(name))?.spec).toEqual(before?.spec)
    })

    test('both families of a dual Subnet', async () => {
      await cluster.apply(newIp({ subnet: 'dual-stack' }))
      expect((await ip(`web-${count}.default`))?.spec?.ipAddress).toMatch(/^10\.17\.\d+\.\d+,fd00:10:17::/)
    })
  })

  describe('what is refused says why, in plain words', () => {
    test.each([
      ['an address that is none (D9)', { v4IpAddress: '10.16.0.300' }, 'spec.v4IpAddress'],
      ['families swapped (D9)', { v6IpAddress: '10.16.0.77' }, 'spec.v6IpAddress'],
      ['a multicast MAC (D10)', { macAddress: '01:00:5e:00:00:01' }, 'spec.macAddress'],
      ['the gateway', { v4IpAddress: '10.16.0.1' }, 'spec.v4IpAddress'],
      ['a podType of nobody (D23)', { podType: 'Deployment' }, 'spec.podType'],
      [
        'a StatefulSet’s Pod without a number (D23)',
        { podType: 'StatefulSet', podName: 'web' },
        'spec.podType',
      ],
      ['no such Subnet', { subnet: 'nowhere' }, 'spec.subnet'],
      ['a Subnet name of 64 characters (D28)', { subnet: 's'.repeat(64) }, 'spec.subnet'],
    ])('%s', async (_, spec, field) => {
      const object = newIp(spec)
      object.metadata.name = `${object.spec.podName}.default`
      const said = await cluster.refused('apply', '-f', cluster.file([object]))
      expect(said).toMatch(new RegExp(`${field.replace('.', '\\.')}[: ]`))
      expect(await ip(object.metadata.name)).toBeUndefined()
    })

    test('a name that is not the port name (D12), with the right one', async () => {
      const object = newIp()
      const said = await cluster.refused(
        'apply',
        '-f',
        cluster.file([{ ...object, metadata: { name: 'mine' } }]),
      )
      expect(said).toContain('metadata.name')
      expect(said).toContain(object.metadata.name)
    })

    test('somebody else’s address', async () => {
      await cluster.apply(newIp({ v4IpAddress: '10.16.4.2' }))
      expect(
        await cluster.refused('apply', '-f', cluster.file([newIp({ v4IpAddress: '10.16.4.2' })])),
      ).toContain('spec.v4IpAddress')
    })

    test.each([
      ['subnet', 'dual-stack'],
      ['namespace', 'other'],
      ['podName', 'other'],
      ['podType', 'StatefulSet'],
      ['v4IpAddress', '10.16.99.1'],
      ['v6IpAddress', 'fd00::1'],
      ['ipAddress', '10.16.99.1'],
      ['macAddress', '0a:00:00:00:00:09'],
    ])('a change of %s (D11)', async (field, value) => {
      await cluster.apply(newIp({}, 'fixed'))
      const patch = JSON.stringify({ spec: { [field]: value } })
      const said = await cluster.refused('patch', 'ips', 'fixed.default', '--type=merge', '-p', patch)
      expect(said).toContain(`spec.${field}`)
    })
  })

  describe('Pods', () => {
    test('one with a reservation gets it written into its annotations', async () => {
      await cluster.apply(newIp())
      const name = `web-${count}`
      const object = await ip(`${name}.default`)
      await cluster.kubectl('create', '-f', cluster.file([podOf(name)]))
      expect((await cluster.get('pod', name))?.metadata.annotations).toEqual({
        'ovn.kubernetes.io/ip_address': object?.spec?.ipAddress,
        'ovn.kubernetes.io/mac_address': object?.spec?.macAddress,
        'ovn.kubernetes.io/logical_switch': 'ovn-default',
      })
    })

    test('one that asks for somebody else’s reserved address is refused', async () => {
      await cluster.apply(newIp({ v4IpAddress: '10.16.4.3' }))
      const pod = podOf('thief', { 'ovn.kubernetes.io/ip_address': '10.16.4.3' })
      const said = await cluster.refused('create', '-f', cluster.file([pod]))
      expect(said).toContain('reserved for somebody else')
      expect(said).not.toContain(`web-${count}`)
    })

    test('one with nothing reserved is as it was written', async () => {
      await cluster.kubectl('create', '-f', cluster.file([podOf('nobody')]))
      expect((await cluster.get('pod', 'nobody'))?.metadata.annotations).toBeUndefined()
    })
  })

  describe('protection', () => {
    test('Kube-OVN’s account may not delete a reservation', async () => {
      await cluster.kubectl('create', 'clusterrole', 'system:ovn', '--verb=*', '--resource=ips.kubeovn.io')
      await cluster.kubectl(
        'create',
        'clusterrolebinding',
        'ovn',
        '--clusterrole=system:ovn',
        `--user=${CONTROLLER}`,
      )
      await cluster.apply(newIp())
      const name = `web-${count}.default`
      expect(await cluster.refused(`--as=${CONTROLLER}`, 'delete', 'ips', name)).toContain('is not collected')
      expect(await ip(name)).toBeDefined()
    })

    test('a reservation is not deleted under its living Pod, unless annotated', async () => {
      await cluster.apply(newIp())
      const name = `web-${count}`
      await cluster.kubectl('create', '-f', cluster.file([podOf(name)]))
      expect(await cluster.refused('delete', 'ips', `${name}.default`)).toContain('is alive')
      await cluster.kubectl('annotate', 'ips', `${name}.default`, 'berth/force=true')
      await cluster.kubectl('delete', 'ips', `${name}.default`)
      expect(await ip(`${name}.default`)).toBeUndefined()
    })

    test('the label does not come off', async () => {
      await cluster.apply(newIp())
      const label = 'ovn.kubernetes.io/ip_reserved'
      expect(await cluster.refused('label', 'ips', `web-${count}.default`, `${label}-`)).toContain(label)
    })
  })

  describe('deleting', () => {
    test('kubectl delete gives the address back, and somebody else may have it', async () => {
      await cluster.apply(newIp({ v4IpAddress: '10.16.4.9' }))
      const name = `web-${count}.default`
      await isBound(name)
      await cluster.kubectl('delete', 'ips', name)
      await isFree(name)
      await cluster.apply(newIp({ v4IpAddress: '10.16.4.9' }))
    })
  })

  describe('while Berth is down', () => {
    beforeAll(async () => {
      await cluster.kubectl('create', 'namespace', 'guarded')
      await cluster.kubectl('label', 'namespace', 'guarded', 'berth/guard=enabled')
      await cluster.apply(newIp({ v4IpAddress: '10.16.4.20' }, 'before'))
      await isBound('before.default')
      await cluster.berth.kill9()
    })
    afterAll(() => cluster.startBerth())

    test('nobody reserves by kubectl, and is told so', async () => {
      expect(await cluster.refused('apply', '-f', cluster.file([newIp()]))).toContain(
        'failed calling webhook',
      )
    })

    test('Kube-OVN’s own writes never meet a webhook', async () => {
      const name = 'ordinary.default'
      const ordinary = {
        ...newIp({}, 'ordinary'),
        metadata: { name, labels: { 'ovn.kubernetes.io/ip_reserved': 'false' } },
      }
      const file = cluster.file([ordinary])
      await cluster.kubectl(`--as=${CONTROLLER}`, 'create', '-f', file)
      await cluster.kubectl(`--as=${CONTROLLER}`, 'delete', '-f', file)
    })

    test.each(['u2o-interconnection.ovn-default', 'mcast-querier.ovn-default'])(
      'nor does %s',
      async (name) => {
        await cluster.kubectl('create', '-f', cluster.file([{ ...newIp(), metadata: { name } }]))
        await cluster.kubectl('delete', 'ips', name)
      },
    )

    test('nor the object of a node', async () => {
      const node = {
        ...newIp({ namespace: '', podName: 'a', nodeName: 'a', subnet: 'join' }),
        metadata: { name: 'node-a' },
      }
      await cluster.kubectl('create', '-f', cluster.file([node]))
      await cluster.kubectl('delete', 'ips', 'node-a')
    })

    test('Pods start outside guarded namespaces', async () => {
      await cluster.kubectl('create', '-f', cluster.file([podOf('free')]))
      await cluster.kubectl('create', '-f', cluster.file([podOf('free', undefined, 'kube-system')]))
    })

    test('and not inside', async () => {
      const said = await cluster.refused('create', '-f', cluster.file([podOf('kept', undefined, 'guarded')]))
      expect(said).toContain('failed calling webhook')
    })

    test('on the host’s network they do', async () => {
      const pod = podOf('host', undefined, 'guarded')
      await cluster.kubectl(
        'create',
        '-f',
        cluster.file([{ ...pod, spec: { ...pod.spec, hostNetwork: true } }]),
      )
    })

    test('the policy protects what is reserved', async () => {
      expect(await cluster.refused(`--as=${CONTROLLER}`, 'delete', 'ips', 'before.default')).toContain(
        'not collected',
      )
    })
  })

  describe('after Berth was killed and started again', () => {
    test('what was promised is still so, and the door is open', async () => {
      expect(await cluster.reservation('before.default')).toMatchObject({
        state: 'bound',
        v4IpAddress: '10.16.4.20',
      })
      expect(
        await cluster.refused('apply', '-f', cluster.file([newIp({ v4IpAddress: '10.16.4.20' })])),
      ).toContain('spec.v4IpAddress')
      await cluster.apply(newIp())
      await isBound(`web-${count}.default`)
    })

    test('and deleted, its address is free', async () => {
      await cluster.kubectl('delete', 'ips', 'before.default')
      await isFree('before.default')
      await cluster.apply(newIp({ v4IpAddress: '10.16.4.20' }))
    })
  })
})
