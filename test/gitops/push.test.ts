import { runDurableObjectAlarm } from 'cloudflare:test'
import { exports } from 'cloudflare:workers'
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Hook } from '../../functions/objects/hook.ts'
import { call, get, makeSubnet, post } from '../support/api.ts'
import { deliver, type Files, GitStandIn, type Provider, signed, type Webhook } from './stand-in.ts'

const objects = (exports as unknown as { Hook: DurableObjectNamespace<Hook> }).Hook

/** The seeds' two forms: an address of Berth's choice, and a chosen one. */
const manifest = (
  subnet: string,
  podName: string,
  podType: string,
  v4 = '',
  namespace = 'git',
) => `apiVersion: kubeovn.io/v1
kind: IP
metadata:
  name: ${podName}.${namespace}
spec:
  subnet: ${subnet}
  namespace: ${namespace}
  podName: ${podName}
  podType: ${podType || '""'}
  v4IpAddress: "${v4}"
`

describe.each<[Provider, string]>([
  ['github', '10.81.0'],
  ['gitea', '10.82.0'],
  ['gitlab', '10.83.0'],
])('%s', (provider, net) => {
  const subnet = `git-${provider}`
  const name = (podName: string) => `${podName}-${provider}`
  const git = new GitStandIn(provider)
  const object = () => objects.getByName(`git/on-${provider}`)
  const seeds: Files = {
    'berth.yaml': 'folder: ips\nprune: true\nthreshold: 60%\n',
    'ips/01-dynamic.yaml': manifest(subnet, name('vm-dynamic'), 'VirtualMachine'),
    'ips/02-static.yaml': manifest(subnet, name('pod-static'), '', `${net}.33`),
    'README.md': 'not ours',
  }

  beforeAll(async () => makeSubnet(subnet, `${net}.0/24`))
  beforeEach(() => vi.stubGlobal('fetch', (request: Request) => git.fetch(request)))
  afterEach(() => vi.unstubAllGlobals())

  /** Delivers, and lets the object's alarm work until the commit has its final status. */
  async function deliverAndWait(webhook: Webhook, commit: string): Promise<string> {
    const before = git.statuses.length + git.checks.length
    expect((await deliver(webhook)).status).toBe(202)
    await vi.waitFor(async () => {
      await runDurableObjectAlarm(object())
      expect(git.statuses.length + git.checks.length).toBeGreaterThan(before)
    })
    const status = git.statuses.findLast((one) => one.commit === commit)
    return `${status?.state}: ${status?.description}`
  }
  const push = async (files: Files) => {
    const commit = await git.push(files)
    return deliverAndWait(await git.pushed(commit), commit)
  }
  const reservation = async (podName: string) => (await get(`/v1/reservations/${name(podName)}.git`)).body
  const state = async () => (await get(`/v1/gitops/on-${provider}`)).body
  const good = 'success'
  const bad = provider === 'gitlab' ? 'failed' : 'failure'

  it('reserves what a push brings, and shows it at the commit', async () => {
    expect(await push(seeds)).toBe(`${good}: 2 reserved`)
    expect(await reservation('pod-static')).toMatchObject({ state: 'bound', v4IpAddress: `${net}.33` })
    expect(await reservation('vm-dynamic')).toMatchObject({
      state: 'bound',
      owner: { kind: 'VirtualMachine' },
    })
    expect(await state()).toMatchObject({ commit: git.branch, drift: [], plan: { findings: [] } })
  })

  it('leaves all as it is when nothing changed', async () => {
    const { id } = await reservation('vm-dynamic')
    expect(await push({ ...seeds, 'README.md': 'changed' })).toBe(`${good}: 2 unchanged`)
    expect((await reservation('vm-dynamic')).id).toBe(id)
  })

  it('refuses an edit of what cannot change, with file and line', async () => {
    const edited = {
      ...seeds,
      'ips/02-static.yaml': seeds['ips/02-static.yaml']!.replace(`${net}.33`, `${net}.34`),
    }
    expect(await push(edited)).toBe(
      `${bad}: ips/02-static.yaml:10: v4IpAddress is ${net}.33 and cannot change to ${net}.34`,
    )
    expect((await reservation('pod-static')).v4IpAddress).toBe(`${net}.33`)
  })

  it('remembers what it refused to change: the next commit without it takes it out', async () => {
    const file = 'ips/08-edited.yaml'
    const of = (last: number) => manifest(subnet, name('edited'), '', `${net}.${last}`)
    const pruning = { 'berth.yaml': 'prune: true\nthreshold: 100%\n' }
    await push({ ...seeds, ...pruning, [file]: of(50) })
    expect(await push({ ...seeds, ...pruning, [file]: of(51) })).toMatch(`${bad}: ${file}:`)
    expect(await reservation('edited')).toMatchObject({ state: 'bound', v4IpAddress: `${net}.50` })
    expect(await push({ ...seeds, ...pruning })).toMatch('1 released')
    expect((await reservation('edited')).state).not.toBe('bound')
  })

  it('adds what an edit adds, though another file is refused', async () => {
    const more = {
      ...seeds,
      'ips/03.yaml': manifest(subnet, name('extra'), 'StatefulSet', `${net}.40`),
      'ips/04.yaml': manifest(subnet, name('clash'), '', `${net}.33`),
    }
    expect(await push(more)).toMatch(`${bad}: ips/04.yaml:10:`)
    expect(await reservation('extra')).toMatchObject({ state: 'bound', v4IpAddress: `${net}.40` })
  })

  it('does nothing at all where a file cannot be read', async () => {
    const broken = {
      ...seeds,
      'ips/05.yaml': manifest(subnet, name('late'), ''),
      'ips/06.yaml': 'a: 1\na: 2\n',
    }
    expect(await push(broken)).toMatch(`${bad}: ips/06.yaml:2:`)
    expect(await reservation('late')).toMatchObject({ status: 404 })
    expect(await reservation('extra')).toMatchObject({ state: 'bound' })
  })

  it('releases what was taken out, and not what lives', async () => {
    await call('PUT', `/embedded/pods/git/${name('pod-static')}`)
    const { 'ips/02-static.yaml': _, ...left } = seeds
    const files = { ...left, 'berth.yaml': 'folder: ips\nprune: true\nthreshold: 100\n' }
    expect(await push(files)).toMatch(`${bad}: ips/02-static.yaml:1:`)
    expect(await reservation('extra')).toMatchObject({ status: 404 })
    expect(await reservation('pod-static')).toMatchObject({ state: 'bound' })
    await call('DELETE', `/embedded/pods/git/${name('pod-static')}`)
    expect(await push({ ...files, 'README.md': 'again' })).toBe(`${good}: 1 unchanged, 1 released`)
    expect(await reservation('pod-static')).toMatchObject({ status: 404 })
  })

  it('releases nothing without prune', async () => {
    await push(seeds)
    expect(await push({ 'berth.yaml': 'folder: ips\n' })).toBe(`${good}: 2 kept`)
    expect(await reservation('vm-dynamic')).toMatchObject({ state: 'bound' })
    await push(seeds)
  })

  it('lets one commit take out a fifth unless told otherwise, and never what is protected', async () => {
    const numbers = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']
    const some = (count: number): Files =>
      Object.fromEntries(
        numbers
          .slice(0, count)
          .map((n) => [`ips/fifth-${n}.yaml`, manifest(subnet, name(`fifth-${n}`), '')] as const),
      )
    const pruning = (more = ''): Files => ({ 'berth.yaml': `folder: ips\nprune: true\n${more}` })
    expect(await push({ ...seeds, ...some(10) })).toBe(`${good}: 10 reserved, 2 unchanged`)
    expect(await push({ ...pruning(), ...some(9) })).toMatch(/3 of 12 would be released/)
    expect(await reservation('fifth-9')).toMatchObject({ state: 'bound' })
    expect(await reservation('vm-dynamic')).toMatchObject({ state: 'bound' })
    expect(await push({ ...pruning(), ...some(10) })).toBe(`${good}: 10 unchanged, 2 released`)
    expect(await reservation('vm-dynamic')).toMatchObject({ status: 404 })
    const guarded = pruning(`protect:\n  - git/fifth-9*\n`)
    expect(await push({ ...guarded, ...some(8) })).toMatch(/: 8 unchanged, 1 released, 1 kept/)
    expect(await reservation('fifth-9')).toMatchObject({ state: 'bound' })
    expect(await reservation('fifth-8')).toMatchObject({ status: 404 })
    await push({ ...seeds, 'berth.yaml': 'folder: ips\nprune: true\nthreshold: 100\n' })
    expect(await reservation('fifth-0')).toMatchObject({ status: 404 })
  })

  // Fault 41.
  it('does a delivery once, and goes by ancestry, not by arrival', async () => {
    const older = await git.push({ ...seeds, 'ips/07.yaml': manifest(subnet, name('older'), '') })
    const newer = await git.push(seeds)
    const webhook = await git.pushed(newer)
    await deliverAndWait(webhook, newer)
    const calls = git.calls.length
    for (const again of [webhook, webhook])
      expect(await deliver(again)).toMatchObject({ status: 202, body: { accepted: true } })
    expect(git.calls).toHaveLength(calls)
    expect((await deliver(await git.pushed(older))).status).toBe(202)
    await vi.waitFor(async () => {
      await runDurableObjectAlarm(object())
      expect(git.calls.length).toBeGreaterThan(calls)
    })
    expect(await reservation('older')).toMatchObject({ status: 404 })
    expect((await state()).commit).toBe(newer)
  })

  it('goes back where the branch was set back', async () => {
    const from = git.branch
    await push({ ...seeds, 'ips/13.yaml': manifest(subnet, name('regretted'), '') })
    expect(await reservation('regretted')).toMatchObject({ state: 'bound' })
    const regretted = git.branch
    git.branch = from
    const calls = git.calls.length
    await deliver(await git.pushed(from, 'refs/heads/main', regretted))
    await vi.waitFor(async () => {
      await runDurableObjectAlarm(object())
      expect(git.calls.length).toBeGreaterThan(calls)
      expect((await state()).commit).toBe(from)
    })
    expect(await reservation('regretted')).toMatchObject({ status: 404 })
  })

  it('waits for a provider that is away', async () => {
    const commit = await git.push({ ...seeds, 'ips/08.yaml': manifest(subnet, name('patient'), '') })
    git.down = 503
    await deliver(await git.pushed(commit))
    await vi.waitFor(async () => {
      await runDurableObjectAlarm(object())
      expect((await state()).trouble).toContain('503')
    })
    git.down = undefined
    await vi.waitFor(
      async () => {
        await runDurableObjectAlarm(object())
        expect((await state()).commit).toBe(commit)
      },
      { timeout: 20_000, interval: 500 },
    )
    expect(await reservation('patient')).toMatchObject({ state: 'bound' })
    expect((await state()).trouble).toBeUndefined()
  })

  it('tells what drifted', async () => {
    await post('/v1/release', { name: `${name('patient')}.git` })
    expect((await state()).drift).toEqual([`git/${name('patient')} in ${subnet} was released outside Git`])
  })

  // Fault 81.
  it("shows a caller no more than his own, though another's stands in the same file", async () => {
    const grants = [{ verbs: ['read'], subnets: [subnet], namespaces: ['few'] }]
    const made = await post('/v1/keys', { name: 'a reader', tenant: 'few', grants })
    const asFew = () =>
      call('GET', `/v1/gitops/on-${provider}`, undefined, { Authorization: `Bearer ${made.body.key}` })
    expect(await asFew()).toMatchObject({ status: 404, body: { code: 'not_found', field: 'repository' } })
    // Both want what pod-static has.
    const both = [
      manifest(subnet, name('mine'), '', `${net}.33`, 'few'),
      manifest(subnet, name('other'), '', `${net}.33`),
    ]
    expect(await push({ ...seeds, 'ips/14.yaml': both.join('---\n') })).toMatch(`${bad}: ips/14.yaml:10:`)
    const { body } = await asFew()
    expect(body.plan.entries).toMatchObject([{ action: 'refuse', namespace: 'few', podName: name('mine') }])
    expect(body.plan.findings).toEqual([
      {
        level: 'error',
        file: 'ips/14.yaml',
        line: 10,
        message: 'the address is promised to somebody else',
      },
    ])
    expect(body).toMatchObject({ commit: git.branch, drift: [] })
    expect(JSON.stringify(body)).not.toMatch(/pod-static|other|vm-dynamic/)
    expect((await state()).plan.findings).toHaveLength(2)
    await push(seeds)
  })

  it('plans a request, once commented and kept up to date, and changes nothing', async () => {
    const comments = git.comments.length
    const proposed = { ...seeds, 'ips/09.yaml': manifest(subnet, name('proposed'), '') }
    const first = await git.commit(proposed)
    expect(await deliverAndWait(await git.asked(7, first), first)).toMatch(`${good}:`)
    expect(git.comments).toHaveLength(comments + 1)
    expect(git.comments.at(-1)?.body).toContain('to reserve ` git/proposed')
    const second = await git.commit({ ...proposed, 'ips/10.yaml': 'kind: [' })
    expect(await deliverAndWait(await git.asked(7, second), second)).toMatch(`${bad}: ips/10.yaml:`)
    expect(git.comments).toHaveLength(comments + 1)
    expect(git.comments.at(-1)?.body).toContain('ips/10.yaml:1')
    expect(await reservation('proposed')).toMatchObject({ status: 404 })
  })

  it('plans the same commit again, which GitLab will not be told twice', async () => {
    const commit = await git.commit({ ...seeds, 'ips/12.yaml': manifest(subnet, name('twice'), '') })
    expect(await deliverAndWait(await git.asked(8, commit), commit)).toMatch(`${good}:`)
    const calls = git.calls.length
    await deliver(await git.asked(8, commit))
    await vi.waitFor(async () => {
      await runDurableObjectAlarm(object())
      expect(git.calls.slice(calls).filter((one) => one.startsWith('POST'))).not.toEqual([])
    })
    await vi.waitFor(async () => expect(await runDurableObjectAlarm(object())).toBe(false))
    expect((await state()).trouble).toBeUndefined()
  })

  it('keeps to its own Subnets', async () => {
    const foreign = { ...seeds, 'ips/11.yaml': manifest('ovn-default', name('foreign'), '') }
    expect(await push(foreign)).toMatch(`${bad}: ips/11.yaml:`)
    expect(await reservation('foreign')).toMatchObject({ status: 404 })
  })

  it.each([
    ['another branch', () => git.pushed(git.branch, 'refs/heads/other')],
    ['a tag', () => git.pushed(git.branch, 'refs/tags/main')],
    ['a deleted branch', () => git.pushed('0'.repeat(40))],
    ['a request to another branch', () => git.asked(1, git.branch, 'other')],
    ['another event', () => signed(provider, 'ping', '{"zen":"x","object_kind":"note"}')],
  ])('is not moved by %s', async (_, make) => {
    const calls = git.calls.length
    expect(await deliver(await make())).toMatchObject({ status: 200, body: { accepted: false } })
    expect(git.calls).toHaveLength(calls)
  })

  // Fault 79: each refused with 401 before the body is read.
  const SIGNATURE = { github: 'X-Hub-Signature-256', gitea: 'X-Gitea-Signature', gitlab: 'X-Gitlab-Token' }[
    provider
  ]
  it.each<[string, (webhook: Webhook) => Webhook | Promise<Webhook>]>([
    ['none', ({ headers: { [SIGNATURE]: _, ...headers }, ...rest }) => ({ ...rest, headers })],
    [
      'one cut short',
      (w) => ({ ...w, headers: { ...w.headers, [SIGNATURE]: w.headers[SIGNATURE]!.slice(0, -2) } }),
    ],
    [
      'one in upper case',
      (w) => ({ ...w, headers: { ...w.headers, [SIGNATURE]: w.headers[SIGNATURE]!.toUpperCase() } }),
    ],
    [
      'two',
      (w) => ({
        ...w,
        headers: { ...w.headers, [SIGNATURE]: `${w.headers[SIGNATURE]}, ${w.headers[SIGNATURE]}` },
      }),
    ],
    ['one of another secret', () => signed(provider, 'push', '%%%', 'another-secret-of-nobody')],
    [
      'SHA-1 in its place',
      (w) => ({ ...w, headers: { ...w.headers, [SIGNATURE]: `sha1=${'a'.repeat(40)}` } }),
    ],
    ...(provider === 'gitlab'
      ? []
      : ([
          [
            'one of the body written anew',
            (w) => ({ ...w, body: JSON.stringify(JSON.parse(w.body), null, 1) }),
          ],
        ] as [string, (webhook: Webhook) => Webhook][])),
  ])('refuses a signature: %s', async (_, change) => {
    const webhook = await change(await git.pushed(git.branch))
    expect(await deliver(webhook)).toMatchObject({ status: 401, body: { code: 'unauthenticated' } })
  })

  it.each<[string, string, (webhook: Webhook) => Webhook]>([
    ['no JSON', '{"ref":', (webhook) => webhook],
    ['a list', '[]', (webhook) => webhook],
    ['nothing', '', (webhook) => webhook],
    ['a push without its repository', '{"object_kind":"push","ref":"refs/heads/main","after":"1"}', (w) => w],
    [
      'a push whose commit is none',
      `{"object_kind":"push","ref":"refs/heads/main","after":{},"repository":{"full_name":"org/infra"},"project":{"path_with_namespace":"org/infra"}}`,
      (webhook) => webhook,
    ],
    [
      'a delivery without an id',
      '{"object_kind":"note"}',
      (webhook) => ({
        ...webhook,
        headers: Object.fromEntries(
          Object.entries(webhook.headers).filter(([key]) => !/Delivery|UUID/.test(key)),
        ),
      }),
    ],
  ])('refuses what is well signed and makes no sense: %s', async (_, body, change) => {
    const calls = git.calls.length
    expect(await deliver(change(await signed(provider, 'push', body)))).toMatchObject({
      status: 400,
      body: { code: 'malformed', field: expect.stringMatching(/^(?:body|headers)$/) },
    })
    expect(git.calls).toHaveLength(calls)
  })

  it('refuses a good signature of another repository', async () => {
    const body = JSON.stringify({
      ref: 'refs/heads/main',
      after: git.branch,
      repository: { full_name: 'org/other' },
      object_kind: 'push',
      project: { path_with_namespace: 'org/other' },
    })
    expect(await deliver(await signed(provider, 'push', body))).toMatchObject({ status: 401 })
  })
})

it('GitHub: an app shows its findings at their lines', async () => {
  const git = new GitStandIn('github')
  git.app = true
  vi.stubGlobal('fetch', (request: Request) => git.fetch(request))
  const text = manifest('git-github', 'annotated', '', '10.99.0.1')
  const commit = await git.commit({ 'a.yaml': text })
  git.branch = commit
  await deliver(await git.asked(9, commit))
  await vi.waitFor(async () => {
    await runDurableObjectAlarm(objects.getByName('git/on-github'))
    expect(git.checks).not.toEqual([])
  })
  expect(git.checks[0]).toMatchObject({
    head_sha: commit,
    conclusion: 'failure',
    output: { annotations: [{ path: 'a.yaml', start_line: 10, annotation_level: 'failure' }] },
  })
  vi.unstubAllGlobals()
})
