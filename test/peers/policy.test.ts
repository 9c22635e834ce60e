import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { until } from '../../infra/dev/wait.ts'
import { type RunningApiServer, startApiServer } from '../../infra/peers/apiserver.ts'
import { installCrds } from '../../infra/peers/crds.ts'
import { run } from '../../infra/peers/run.ts'

const POLICY = join(import.meta.dirname, '../../infra/kubernetes/base/policy.yaml')
const RESERVED = 'ovn.kubernetes.io/ip_reserved'

const CONTROLLER = 'system:serviceaccount:kube-system:ovn'
const COLLECTORS = [
  CONTROLLER,
  'system:serviceaccount:kube-system:ovn-ovs',
  'system:serviceaccount:kube-system:kube-ovn-cni',
  'system:serviceaccount:kube-system:kube-ovn-app',
  'system:serviceaccount:kube-system:generic-garbage-collector',
  'system:kube-controller-manager',
]
const BERTH = 'system:serviceaccount:berth-system:berth'

/** May do with IP objects what Kube-OVN's role allows [dist/images/install.sh, ClusterRole system:ovn]; `alice` is a user who edits. */
const ACCOUNTS = [...COLLECTORS, BERTH, 'alice', 'carol']

describe('reserved IPs under the admission policy', () => {
  let api: RunningApiServer
  let folder: string
  let count = 0

  beforeAll(async () => {
    api = await startApiServer()
    folder = mkdtempSync(join(tmpdir(), 'berth-policy-'))
    await installCrds(api)
    await kubectl(
      'create',
      'clusterrole',
      'edits-ips',
      '--verb=create,get,list,update,patch,delete,deletecollection',
      '--resource=ips.kubeovn.io',
    )
    await kubectl(
      'create',
      'clusterrolebinding',
      'edits-ips',
      '--clusterrole=edits-ips',
      ...ACCOUNTS.map((user) => `--user=${user}`),
    )
    // Kube-OVN's own role says `*`.
    await kubectl('create', 'clusterrole', 'system:ovn', '--verb=*', '--resource=ips.kubeovn.io')
    await kubectl(
      'create',
      'clusterrolebinding',
      'ovn',
      '--clusterrole=system:ovn',
      ...COLLECTORS.map((user) => `--user=${user}`),
    )
    // An administrator of addresses, though not of the cluster.
    await kubectl('create', 'clusterrole', 'forces-ips', '--verb=force', '--resource=ips.kubeovn.io')
    await kubectl('create', 'clusterrolebinding', 'forces-ips', '--clusterrole=forces-ips', '--user=carol')
    await kubectl('apply', '-f', POLICY)
    // The API server compiles a new policy in its own time.
    await until('the policy is in force', 30_000, async () =>
      (await as(CONTROLLER, 'delete', 'ips', await newIp('true'))) === '' ? undefined : true,
    )
  })
  afterAll(async () => {
    await api?.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  const kubectl = (...args: readonly string[]) =>
    run(api.kubectl, [`--kubeconfig=${api.kubeconfig}`, ...args], { limitMs: 30_000 })

  /** "" when it went through, else what was said. */
  async function as(user: string, ...args: readonly string[]): Promise<string> {
    try {
      await kubectl(`--as=${user}`, ...args, ...(args[0] === 'delete' ? ['--wait=false'] : []))
      return ''
    } catch (error) {
      return (error as Error).message
    }
  }

  async function newIp(reserved: string, metadata: object = {}): Promise<string> {
    const name = `ip-${++count}.default`
    const file = join(folder, `${name}.json`)
    const labels = { [RESERVED]: reserved, 'ovn.kubernetes.io/subnet': 'ovn-default' }
    const object = {
      apiVersion: 'kubeovn.io/v1',
      kind: 'IP',
      metadata: { name, labels, annotations: { 'berth/op': 'op_1' }, ...metadata },
      spec: { subnet: 'ovn-default', podName: `ip-${count}`, namespace: 'default', v4IpAddress: '10.16.0.9' },
    }
    writeFileSync(file, JSON.stringify(object))
    await kubectl('create', '-f', file)
    return name
  }
  const exists = async (name: string) =>
    (await kubectl('get', 'ips', name, '--ignore-not-found', '-o', 'name')) !== ''
  const labelOf = (name: string) =>
    kubectl('get', 'ips', name, '-o', `jsonpath={.metadata.labels.${RESERVED.replaceAll('.', '\\.')}}`)

  test.each(COLLECTORS)(
    '%s may not delete one: startup collection (D1), VM deleted (D16), NIC unplugged (D17)',
    async (user) => {
      const name = await newIp('true')
      const said = await as(user, 'delete', 'ips', name)
      expect(said).toContain(`IP ${name} is reserved and is not collected`)
      // The message is the way out.
      expect(said).toContain(`kubectl annotate ips ${name} berth/force=true`)
      expect(await exists(name)).toBe(true)
    },
  )

  test('nor all of them at once', async () => {
    const name = await newIp('true')
    expect(await as(CONTROLLER, 'delete', 'ips', '--all')).toContain('not collected')
    const reply = await api.http.fetch(
      new Request(`${api.url}/apis/kubeovn.io/v1/ips`, {
        method: 'DELETE',
        headers: { authorization: `Bearer ${api.tokens.admin}`, 'impersonate-user': CONTROLLER },
      }),
    )
    await reply.text()
    expect(reply.status).toBe(403)
    expect(await exists(name)).toBe(true)
  })

  test.each(['false', ''])('what is labelled "%s" they may', async (reserved) => {
    const name = await newIp(reserved)
    expect(await as(CONTROLLER, 'delete', 'ips', name)).toBe('')
    expect(await exists(name)).toBe(false)
  })

  test.each([BERTH, 'alice'])('%s may: whether its Pod lives is the webhook’s question', async (user) => {
    const name = await newIp('true')
    expect(await as(user, 'delete', 'ips', name)).toBe('')
    expect(await exists(name)).toBe(false)
  })

  test('the way out of an endless retry: annotated by an administrator, the controller’s next try goes through', async () => {
    const name = await newIp('true')
    for (let tries = 0; tries < 3; tries++) expect(await as(CONTROLLER, 'delete', 'ips', name)).not.toBe('')
    await kubectl('annotate', 'ips', name, 'berth/force=true')
    expect(await as(CONTROLLER, 'delete', 'ips', name)).toBe('')
    expect(await exists(name)).toBe(false)
  })

  test('what is being deleted already is no news, and its finalizer comes off', async () => {
    const name = await newIp('true', { finalizers: ['kubeovn.io/kube-ovn-controller'] })
    await kubectl('delete', 'ips', name, '--wait=false')
    expect(await as(CONTROLLER, 'delete', 'ips', name)).toBe('')
    await kubectl(
      `--as=${CONTROLLER}`,
      'patch',
      'ips',
      name,
      '--type=merge',
      '-p',
      '{"metadata":{"finalizers":null}}',
    )
    expect(await exists(name)).toBe(false)
  })

  test('the controller goes on writing the rest of it: node, labels, finalizer', async () => {
    const name = await newIp('true')
    const patch = {
      metadata: {
        labels: { 'ovn.kubernetes.io/node-name': 'node-a' },
        finalizers: ['kubeovn.io/kube-ovn-controller'],
      },
      spec: { nodeName: 'node-a' },
    }
    expect(await as(CONTROLLER, 'patch', 'ips', name, '--type=merge', '-p', JSON.stringify(patch))).toBe('')
    const { metadata, spec } = JSON.parse(await kubectl('get', 'ips', name, '-o', 'json'))
    expect(metadata).toMatchObject(patch.metadata)
    expect(spec).toMatchObject({ nodeName: 'node-a', v4IpAddress: '10.16.0.9' })
    expect(await labelOf(name)).toBe('true')
  })

  test('the accounts here are all that the policy names', () => {
    const text = readFileSync(POLICY, 'utf8')
    const named = /request\.userInfo\.username in \[([^\]]+)\]/.exec(text)?.[1] ?? ''
    const accounts = [...named.matchAll(/'([^']+)'/g)].map(([, account]) => account)
    expect(accounts.sort()).toEqual([...COLLECTORS].sort())
  })

  test.each([...COLLECTORS, 'alice'])(
    '%s may not take the label off, nor all labels, nor say "false"',
    async (user) => {
      const name = await newIp('true')
      const changes = [
        { metadata: { labels: { [RESERVED]: null } } },
        { metadata: { labels: null } },
        { metadata: { labels: { [RESERVED]: 'false' } } },
      ]
      for (const change of changes) {
        const args = [`--as=${user}`, 'patch', 'ips', name, '--type=merge', '-p', JSON.stringify(change)]
        await expect(kubectl(...args)).rejects.toThrow('is taken off by Berth alone')
      }
      expect(await labelOf(name)).toBe('true')
    },
  )

  test.each([BERTH, 'carol', 'admin'])('%s may', async (user) => {
    const name = await newIp('true')
    // `admin` is impersonated without its group; the kubeconfig's own account is the administrator.
    const who = user === 'admin' ? [] : [`--as=${user}`]
    await kubectl(...who, 'label', 'ips', name, `${RESERVED}-`)
    expect(await labelOf(name)).toBe('')
  })

  test('the label put on is nobody’s loss', async () => {
    const name = await newIp('false')
    await kubectl('--as=alice', 'label', '--overwrite', 'ips', name, `${RESERVED}=true`)
    expect(await labelOf(name)).toBe('true')
  })
})
