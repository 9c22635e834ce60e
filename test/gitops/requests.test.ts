import { runDurableObjectAlarm } from 'cloudflare:test'
import { exports } from 'cloudflare:workers'
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Hook } from '../../functions/objects/hook.ts'
import { get, makeSubnet } from '../support/api.ts'
import { deliver, type Files, GitStandIn, type Provider } from './stand-in.ts'

const objects = (exports as unknown as { Hook: DurableObjectNamespace<Hook> }).Hook

const manifest = (subnet: string, podName: string) =>
  JSON.stringify({
    apiVersion: 'kubeovn.io/v1',
    kind: 'IP',
    metadata: { name: `${podName}.git` },
    spec: { subnet, namespace: 'git', podName, podType: '' },
  })

describe.each<[Provider, string]>([
  ['github', '10.81.0'],
  ['gitea', '10.82.0'],
  ['gitlab', '10.83.0'],
])('%s', (provider, net) => {
  const subnet = `git-${provider}`
  const git = new GitStandIn(provider)
  const object = () => objects.getByName(`git/on-${provider}`)
  const files = (podName: string): Files => ({ 'a.yaml': manifest(subnet, `${podName}-${provider}`) })

  beforeAll(async () => makeSubnet(subnet, `${net}.0/24`))
  beforeEach(() => vi.stubGlobal('fetch', (request: Request) => git.fetch(request)))
  afterEach(() => vi.unstubAllGlobals())

  async function plan(number: number, podName: string): Promise<void> {
    const commit = await git.commit(files(podName))
    const shown = git.statuses.length
    expect((await deliver(await git.asked(number, commit))).status).toBe(202)
    await vi.waitFor(async () => {
      await runDurableObjectAlarm(object())
      expect(git.statuses.length).toBeGreaterThan(shown)
    })
  }

  it("does not take a stranger's comment for its own, whatever it begins with", async () => {
    await plan(1, 'first')
    const [ours] = git.comments
    expect(ours?.body).toMatch(/^<!-- berth:plan:/)
    const [marker = ''] = ours?.body.split('\n') ?? []
    const forged = [`<!-- berth:plan:on-${provider} -->\nnothing to do`, `${marker}\nnothing to do`]
    git.comments.length = 0
    git.comments.push(...forged.map((body, index) => ({ id: index + 1, body })))
    await plan(2, 'second')
    expect(git.comments.map(({ body }) => body).slice(0, 2)).toEqual(forged)
    expect(git.comments).toHaveLength(3)
    expect(git.comments[2]?.body).toContain(`second-${provider}`)
    await plan(2, 'third')
    expect(git.comments).toHaveLength(3)
    expect(git.comments[2]?.body).toContain(`third-${provider}`)
  })

  it('applies a commit that the provider has only a little later', async () => {
    const id = await git.push(files('late'))
    const commit = git.commits.get(id)
    git.commits.delete(id)
    const state = async () => (await get(`/v1/gitops/on-${provider}`)).body
    await deliver(await git.pushed(id))
    await vi.waitFor(async () => {
      await runDurableObjectAlarm(object())
      expect((await state()).trouble).toContain('404')
    })
    if (commit) git.commits.set(id, commit)
    await vi.waitFor(
      async () => {
        await runDurableObjectAlarm(object())
        expect((await state()).commit).toBe(id)
      },
      { timeout: 20_000, interval: 500 },
    )
    expect((await get(`/v1/reservations/late-${provider}.git`)).body).toMatchObject({ state: 'bound' })
    expect((await state()).trouble).toBeUndefined()
  })
})
