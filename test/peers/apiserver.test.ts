import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type RunningApiServer, startApiServer } from '../../infra/peers/apiserver.ts'
import { installCrds } from '../../infra/peers/crds.ts'
import { run } from '../../infra/peers/run.ts'
import { systemClock } from '../../shared/clock.ts'
import { kubernetesPort } from '../../shared/cluster/kubernetes/port.ts'
import type { ClusterPort, ClusterReply, KubeObject } from '../../shared/cluster/port.ts'

/** The port in weather that only a real API server makes, and the server's own handles. */
describe('a real API server that stops and comes back', () => {
  let api: RunningApiServer
  let port: ClusterPort
  let count = 0

  beforeAll(async () => {
    api = await startApiServer()
    await installCrds(api)
    port = portAs(api.tokens.admin)
  })
  afterAll(() => api?.stop())

  const portAs = (token: string) =>
    kubernetesPort({
      http: api.http,
      url: api.url,
      token: () => token,
      clock: systemClock,
      limits: { callMs: 1_500 },
    })
  const kubectl = (...args: readonly string[]) =>
    run(api.kubectl, [`--kubeconfig=${api.kubeconfig}`, ...args], { limitMs: 30_000 })
  const newIp = (): KubeObject => ({
    apiVersion: 'kubeovn.io/v1',
    kind: 'IP',
    metadata: { name: `ip-${++count}.default` },
    spec: { subnet: 'ovn-default', v4IpAddress: `10.16.0.${count}`, macAddress: '0a:00:00:00:00:01' },
  })
  const create = async (object: KubeObject) => (await port.send([{ verb: 'create', object }]))[0]
  const get = async ({ metadata: { name } }: KubeObject) =>
    (await port.send([{ verb: 'get', ref: { kind: 'IP', name } }]))[0]

  test('kubectl shows what the port made, in Kube-OVN’s columns', async () => {
    const object = newIp()
    expect(await create(object)).toMatchObject({ ok: true })
    // Not `get ip`: since Kubernetes 1.33 that short name is taken by networking.k8s.io.
    const [head, row] = (await kubectl('get', 'ips', object.metadata.name)).split('\n')
    expect(head?.trim().split(/\s+/)).toEqual(['NAME', 'V4IP', 'V6IP', 'MAC', 'NODE', 'SUBNET'])
    expect(row?.trim().split(/\s+/)).toEqual([
      object.metadata.name,
      '10.16.0.1',
      '0a:00:00:00:00:01',
      'ovn-default',
    ])
    const columns = (await kubectl('get', 'subnets', '-o', 'wide', '--ignore-not-found')).trim()
    expect(columns).toBe('')
  })

  test('a null is no string: the server drops it, and a number is Invalid', async () => {
    const [absent, wrong] = [newIp(), newIp()]
    const reply = await create({ ...absent, spec: { podName: null, subnet: 's' } })
    expect(reply).toMatchObject({ ok: true, value: { spec: { subnet: 's' } } })
    expect(reply?.ok && Object.keys(reply.value.spec as object)).toEqual(['subnet'])
    expect(await create({ ...wrong, spec: { podName: 5 } })).toMatchObject({ error: { reason: 'Invalid' } })
  })

  test('an account without rights is Forbidden, a token nobody knows Unauthorized; nothing is made', async () => {
    const object = newIp()
    for (const [token, reason] of [
      [api.tokens.berth, 'Forbidden'],
      ['nobody', 'Unauthorized'],
    ] as const) {
      const [reply] = await portAs(token).send([{ verb: 'create', object }])
      expect(reply).toMatchObject({ ok: false, error: { reason, outcome: 'refused' } })
      expect(JSON.stringify(reply)).not.toContain(api.tokens.berth)
    }
    expect(await get(object)).toMatchObject({ error: { reason: 'NotFound' } })
  })

  test('a kind that is not served is taken for absent only once the server’s own list of kinds says so', async () => {
    const reply = await api.http.fetch(new Request(`${api.url}/apis/none.invalid/v1/ips/a`))
    expect([401, 403, 404]).toContain(reply.status)
    await reply.arrayBuffer()
    const kinds = ['VirtualMachine', 'VirtualMachineInstance'] as const
    const read = async (kind: (typeof kinds)[number]) => [
      (await port.send([{ verb: 'get', ref: { kind, name: 'a', namespace: 'default' } }]))[0],
      await port.list(kind),
    ]
    const isAbsent = { error: { reason: 'NotFound', message: expect.stringContaining('does not serve') } }
    // First the kind goes and its group stays, then the group goes too.
    for (const kind of kinds) {
      await kubectl('delete', 'crd', `${kind.toLowerCase()}s.kubevirt.io`)
      await expect.poll(() => read(kind), { timeout: 20_000 }).toMatchObject([isAbsent, isAbsent])
    }
  })

  test('a paused server: writes are unknown, reads refused, and afterwards everything is as before', async () => {
    const before = newIp()
    await create(before)
    const object = newIp()
    api.pause()
    try {
      expect(await create(object)).toMatchObject({ error: { reason: 'Unavailable', outcome: 'unknown' } })
      expect(await get(before)).toMatchObject({ error: { reason: 'Unavailable', outcome: 'refused' } })
    } finally {
      api.resume()
    }
    await expect.poll(() => get(before), { timeout: 20_000 }).toMatchObject({ ok: true })
    // The create may have been carried out or not; made again, exactly one is there.
    expect(there(await create(object))).toBe(true)
    expect(await get(object)).toMatchObject({ ok: true })
  })

  // The restarted server's watch cache begins with its start, so the old version may be Expired: then a list follows.
  test('kill -9 and restart of the server: watching and, where told to, listing anew loses nothing', async () => {
    const [first, second] = [newIp(), newIp()]
    const seen = new Set<string>()
    const stop = new AbortController()
    const following = follow(port, seen, stop.signal)
    expect(await create(first)).toMatchObject({ ok: true })
    await expect.poll(() => seen.has(first.metadata.name), { timeout: 20_000 }).toBe(true)
    await api.kill9()
    await api.restart()
    await expect.poll(async () => there(await create(second)), { timeout: 20_000 }).toBe(true)
    await expect.poll(() => seen.has(second.metadata.name), { timeout: 20_000 }).toBe(true)
    stop.abort()
    for (const failure of await following) expect(failure).toMatch(/^(Expired|Unavailable)$/)
  })

  test('etcd away: a write is not taken for done, and the data is there when it is back', async () => {
    const before = newIp()
    await create(before)
    await api.etcd.kill9()
    const object = newIp()
    expect(await create(object)).toMatchObject({ ok: false, error: { outcome: 'unknown' } })
    await api.etcd.restart()
    await expect.poll(() => get(before), { timeout: 30_000 }).toMatchObject({ ok: true })
  })
})

/** Whether the object is in the cluster now, whoever's reply says so. */
function there(reply: ClusterReply | undefined): boolean {
  return reply !== undefined && (reply.ok || reply.error.reason === 'AlreadyExists')
}

/** Lists, watches from there, and lists anew when the watch ends; writes down every name, gives the reasons of the ends. */
async function follow(port: ClusterPort, seen: Set<string>, signal: AbortSignal): Promise<string[]> {
  const ends: string[] = []
  while (!signal.aborted) {
    const list = await port.list('IP')
    if (!list.ok) {
      ends.push(list.error.reason)
      await systemClock.sleep(list.error.retryAfterMs ?? 50, signal)
      continue
    }
    for (const { metadata } of list.value.items) seen.add(metadata.name)
    for await (const event of port.watch('IP', { resourceVersion: list.value.resourceVersion, signal })) {
      if (event.type === 'ERROR') ends.push(event.failure.reason)
      else if (event.type !== 'BOOKMARK') seen.add(event.object.metadata.name)
    }
  }
  return ends
}
