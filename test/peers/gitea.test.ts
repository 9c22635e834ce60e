import { createHmac } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type RunningWorkerd, startWorkerd } from '../../infra/dev/workerd.ts'
import { type RunningGitea, startGitea } from '../../infra/peers/gitea.ts'
import { run } from '../../infra/peers/run.ts'

const SOON = { timeout: 30_000, interval: 100 }
const SECRET = 'secret-of-the-webhook-of-the-test'
const REPOSITORY = 'infra'
const seed = (name: string) => readFileSync(join(import.meta.dirname, '../data/seed', name), 'utf8')

/** A real Gitea, a real git, and Berth in plain workerd between its webhook and its API. */
describe('pushes to Gitea', () => {
  let gitea: RunningGitea
  let berth: RunningWorkerd
  const folder = mkdtempSync(join(tmpdir(), 'berth-pushes-'))
  const clone = join(folder, 'clone')
  const repository = () => `/repos/${gitea.user}/${REPOSITORY}`

  beforeAll(async () => {
    gitea = await startGitea()
    await gitea.api('POST', '/user/repos', { name: REPOSITORY, default_branch: 'main', auto_init: true })
    const grants = [
      { verbs: ['reserve', 'release', 'read'], subnets: ['ovn-default'], namespaces: ['default'] },
    ]
    const project = `${gitea.user}/${REPOSITORY}`
    const one = { name: 'infra', provider: 'gitea', project, api: `${gitea.url}/api/v1`, grants }
    const vars = {
      EVENTS: 'on',
      GIT: JSON.stringify([one]),
      GIT_SECRETS: JSON.stringify({ infra: { webhook: SECRET, token: gitea.token } }),
    }
    berth = await startWorkerd({ port: 0, dataDir: join(folder, 'berth'), vars })
    await gitea.api('POST', `${repository()}/hooks`, {
      type: 'gitea',
      active: true,
      events: ['push', 'pull_request', 'pull_request_sync'],
      config: { url: `${berth.url}/hooks/git/gitea`, content_type: 'json', secret: SECRET },
    })
    await run('git', ['clone', '-q', gitea.remote(REPOSITORY), clone], { limitMs: 30_000 })
  })
  afterAll(async () => {
    await berth?.stop()
    await gitea?.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  const git = async (...args: string[]) => {
    const who = ['-c', 'user.name=somebody', '-c', 'user.email=somebody@berth.example']
    return (await run('git', [...who, ...args], { cwd: clone, limitMs: 30_000 })).trim()
  }
  /** Writes files (`undefined` takes one out), commits, and pushes the branch; the commit. */
  async function push(files: Readonly<Record<string, string | undefined>>, branch = 'main'): Promise<string> {
    for (const [path, text] of Object.entries(files)) {
      if (text === undefined) await git('rm', '-q', path)
      else {
        mkdirSync(dirname(join(clone, path)), { recursive: true })
        writeFileSync(join(clone, path), text)
      }
    }
    await git('add', '-A')
    await git('commit', '-q', '-m', Object.keys(files).join())
    await git('push', '-q', 'origin', `HEAD:refs/heads/${branch}`)
    return git('rev-parse', 'HEAD')
  }
  /** What Gitea shows at a commit, once it is no longer pending. */
  async function verdict(commit: string): Promise<string> {
    let shown = ''
    await expect
      .poll(async () => {
        const { statuses } = await gitea.api('GET', `${repository()}/commits/${commit}/status`)
        const [last] = statuses ?? []
        shown = last ? `${last.status}: ${last.description}` : ''
        return shown
      }, SOON)
      .toMatch(/^(?:success|failure): /)
    return shown
  }
  const get = async (path: string) => (await fetch(berth.url + path)).json()
  const reservation = (name: string) => get(`/v1/reservations/${name}`)
  const FILES = {
    'berth.yaml': 'folder: ips\nprune: true\nthreshold: 50%\n',
    'ips/01-dynamic.yaml': seed('01-dynamic.yaml'),
    'ips/02-static.yaml': seed('02-static.yaml'),
  }
  let applied = ''

  test('both seeds', async () => {
    applied = await push(FILES)
    expect(await verdict(applied)).toBe('success: 2 reserved')
    expect(await reservation('vm-dynamic-01.default')).toMatchObject({
      state: 'bound',
      v4IpAddress: '10.16.0.2',
    })
    expect(await reservation('pod-static-01.default')).toMatchObject({ state: 'bound' })
  })

  test('an edit of what cannot change, with file and line', async () => {
    const before = await reservation('pod-static-01.default')
    const text = seed('02-static.yaml').replace(/v4IpAddress: .*/, 'v4IpAddress: 10.16.0.99')
    const line = text.split('\n').findIndex((one) => one.includes('10.16.0.99')) + 1
    const commit = await push({ 'ips/02-static.yaml': text })
    expect(await verdict(commit)).toMatch(`failure: ips/02-static.yaml:${line}: v4IpAddress is `)
    expect(await reservation('pod-static-01.default')).toEqual(before)
  })

  test('a removal, once the edit is taken back', async () => {
    expect(await verdict(await push({ 'ips/02-static.yaml': seed('02-static.yaml') }))).toBe(
      'success: 2 unchanged',
    )
    applied = await push({ 'ips/01-dynamic.yaml': undefined })
    expect(await verdict(applied)).toBe('success: 1 unchanged, 1 released')
    expect(await reservation('vm-dynamic-01.default')).toMatchObject({ status: 404 })
    expect(await reservation('pod-static-01.default')).toMatchObject({ state: 'bound' })
  })

  test('an older commit that is delivered late changes nothing', async () => {
    const older = await git('rev-parse', 'HEAD~1')
    const { full_name } = await gitea.api('GET', repository())
    const body = JSON.stringify({ ref: 'refs/heads/main', after: older, repository: { full_name } })
    const reply = await fetch(`${berth.url}/hooks/git/gitea`, {
      method: 'POST',
      headers: {
        'X-Gitea-Event': 'push',
        'X-Gitea-Delivery': 'late-delivery-of-the-test',
        'X-Gitea-Signature': createHmac('sha256', SECRET).update(body).digest('hex'),
      },
      body,
    })
    expect(reply.status).toBe(202)
    // A push after it is done after it.
    applied = await push({ 'README.md': 'nothing of ours' })
    expect(await verdict(applied)).toBe('success: 1 unchanged')
    expect(await get('/v1/gitops/infra')).toMatchObject({ commit: applied, drift: [] })
    expect(await reservation('vm-dynamic-01.default')).toMatchObject({ status: 404 })
  })

  test('a pull request is planned in one comment, which is kept up to date', async () => {
    await git('checkout', '-q', '-b', 'proposal')
    const first = await push({ 'ips/01-dynamic.yaml': seed('01-dynamic.yaml') }, 'proposal')
    const { number } = await gitea.api('POST', `${repository()}/pulls`, {
      title: 'one more',
      head: 'proposal',
      base: 'main',
    })
    const comments = async () =>
      (await gitea.api('GET', `${repository()}/issues/${number}/comments`)).map(
        (one: { body: string }) => one.body,
      )
    expect(await verdict(first)).toBe('success: 1 to reserve, 1 unchanged')
    await expect.poll(comments, SOON).toEqual([expect.stringContaining(`plan for ${first.slice(0, 12)}`)])
    const second = await push({ 'ips/03.yaml': 'kind: [' }, 'proposal')
    expect(await verdict(second)).toMatch('failure: ips/03.yaml:1: ')
    await expect.poll(comments, SOON).toEqual([expect.stringContaining(`plan for ${second.slice(0, 12)}`)])
    expect(await reservation('vm-dynamic-01.default')).toMatchObject({ status: 404 })
    await git('checkout', '-q', '-f', '-B', 'main', 'origin/main')
  })

  test('a branch that was rewritten is gone to', async () => {
    await git('checkout', '-q', '-f', applied)
    await git('commit', '-q', '--amend', '-m', 'another history')
    writeFileSync(join(clone, 'ips/04.yaml'), seed('01-dynamic.yaml'))
    await git('add', '-A')
    await git('commit', '-q', '--amend', '--no-edit')
    await git('push', '-q', '-f', 'origin', 'HEAD:refs/heads/main')
    const rewritten = await git('rev-parse', 'HEAD')
    expect(await verdict(rewritten)).toBe('success: 1 reserved, 1 unchanged')
    expect(await reservation('vm-dynamic-01.default')).toMatchObject({ state: 'bound' })
  })

  test('a branch that was set back is gone back to', async () => {
    const from = await git('rev-parse', 'HEAD')
    const more = seed('01-dynamic.yaml').replaceAll('vm-dynamic-01', 'regretted')
    expect(await verdict(await push({ 'ips/05.yaml': more }))).toBe('success: 1 reserved, 2 unchanged')
    expect(await reservation('regretted.default')).toMatchObject({ state: 'bound' })
    await git('push', '-q', '-f', 'origin', `${from}:refs/heads/main`)
    await expect
      .poll(async () => ((await get('/v1/gitops/infra')) as { commit?: string }).commit, SOON)
      .toBe(from)
    expect(await reservation('regretted.default')).toMatchObject({ status: 404 })
  })

  test('what was given back elsewhere is shown, told to subscribers and reserved again', async () => {
    const release = JSON.stringify({ name: 'vm-dynamic-01.default' })
    const headers = { 'Content-Type': 'application/json' }
    const reply = await fetch(`${berth.url}/v1/release`, { method: 'POST', headers, body: release })
    expect(reply.status).toBe(200)
    const drift = 'default/vm-dynamic-01 in ovn-default was released outside Git'
    expect(await get('/v1/gitops/infra')).toMatchObject({ drift: [drift] })
    await git('checkout', '-q', '-f', '-B', 'main', 'origin/main')
    await git('fetch', '-q', 'origin')
    await git('reset', '-q', '--hard', 'origin/main')
    const commit = await push({ 'README.md': 'nothing of ours, again' })
    expect(await verdict(commit)).toBe('success: 1 reserved, 1 unchanged')
    expect(await get('/v1/gitops/infra')).toMatchObject({ commit, drift: [] })
    const { body } = await fetch(`${berth.url}/v1/events?type=drift`, {
      headers: { 'Last-Event-ID': '0' },
      signal: AbortSignal.timeout(SOON.timeout),
    })
    let text = ''
    for await (const chunk of body!.pipeThrough(new TextDecoderStream())) {
      text += chunk
      if (/^data: .*\n\n/m.test(text)) break
    }
    const [, data = '{}'] = /^data: (\{"specversion.*)$/m.exec(text) ?? []
    expect(JSON.parse(data)).toMatchObject({
      subject: 'infra',
      data: { repository: 'infra', commit, drift },
    })
  })
})
