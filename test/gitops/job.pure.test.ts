import { describe, expect, it } from 'vitest'
import { runGitJob } from '../../functions/gitops/job.ts'
import {
  type GitApi,
  GitAway,
  GitRefused,
  type Relation,
  type Verdict,
} from '../../functions/gitops/provider.ts'
import { gitSettingsOf } from '../../functions/gitops/settings.ts'
import { type GitState, NO_STATE } from '../../functions/gitops/state.ts'
import { silentLog } from '../../shared/log.ts'
import { ManualClock } from '../support/clock.ts'
import { FakeBerth, granted } from '../support/fake-berth.ts'
import { SENDERS } from '../support/senders.ts'

/** c1 ← c2 ← c3, and c1 ← d2 beside them. */
const LINES: Readonly<Record<string, string>> = { c1: 'c1', c2: 'c1 c2', c3: 'c1 c2 c3', d2: 'c1 d2' }

function relation(base: string, head: string): Relation {
  const [a, b] = [LINES[base], LINES[head]]
  if (a === undefined || b === undefined) throw new GitRefused('GET /compare answered 404')
  if (a === b) return 'same'
  return b.startsWith(`${a} `) ? 'ahead' : a.startsWith(`${b} `) ? 'behind' : 'diverged'
}

async function afterPush(
  known: string | undefined,
  delivered: string,
  head: string,
  fail?: Error,
  before?: string,
) {
  const repository = gitSettingsOf(SENDERS)[0]!
  const read: string[] = []
  let state: GitState = known === undefined ? NO_STATE : { ...NO_STATE, commit: known }
  const api: GitApi = {
    head: async () => {
      if (fail) throw fail
      return head
    },
    relation: async (base, other) => relation(base, other),
    tree: async (commit) => {
      read.push(commit)
      return []
    },
    blob: async () => new Uint8Array(),
    report: async () => {},
    comment: async () => {},
  }
  const ports = {
    repository,
    api,
    berth: new FakeBerth().berth,
    clock: new ManualClock(),
    log: silentLog,
    tell: async () => {},
    state: {
      load: () => state,
      save: (next: GitState) => {
        state = next
      },
    },
  }
  const result = await runGitJob(ports, {
    ...{ kind: 'git', repository: repository.name, after: delivered },
    ...(before ? { before } : {}),
  })
  return { result, read, commit: state.commit, trouble: state.trouble }
}

describe('which commit counts', () => {
  it.each<[string, string | undefined, string, string, string | undefined]>([
    ['the first one', undefined, 'c1', 'c1', 'c1'],
    ['the next one', 'c1', 'c2', 'c2', 'c2'],
    ['where the branch is, not where the delivery was', 'c1', 'c2', 'c3', 'c3'],
    ['the delivery, where the provider lags behind it', 'c1', 'c3', 'c2', 'c3'],
    ['none: an old delivery after a newer one', 'c3', 'c1', 'c3', undefined],
    ['none: an old delivery, and a provider that lags', 'c3', 'c1', 'c1', undefined],
    ['none: the same again', 'c3', 'c3', 'c3', undefined],
    ['the rewritten branch', 'c3', 'd2', 'd2', 'd2'],
    ['the rewritten branch, for a delivery from before', 'c2', 'c3', 'd2', 'd2'],
    ['the branch, where what was applied is gone', 'x9', 'c2', 'c2', 'c2'],
  ])('%s', async (_, known, delivered, head, applied) => {
    const { result, read, commit } = await afterPush(known, delivered, head)
    expect(result).toBe('done')
    expect(read).toEqual(applied === undefined ? [] : [applied])
    expect(commit).toBe(applied ?? known)
  })
})

it.each<[string, string, string, string, string | undefined]>([
  ['set back from what was applied is gone to', 'c3', 'c1', 'c1', 'c1'],
  ['set back is gone to, though the provider lags', 'c3', 'c2', 'c1', 'c2'],
  ['set back, and on a little meanwhile, is gone to where it is', 'c3', 'c1', 'c2', 'c2'],
  ['set back, and on again meanwhile, is not', 'c3', 'c1', 'c3', undefined],
  ['of a late delivery, which was from before, is not', 'c2', 'c1', 'c1', undefined],
])('a branch %s', async (_, before, delivered, head, applied) => {
  const { read, commit } = await afterPush('c3', delivered, head, undefined, before)
  expect([read, commit]).toEqual(applied === undefined ? [[], 'c3'] : [[applied], applied])
})

it.each([
  [new GitAway('GET /branches answered 503'), 'again'],
  // What a webhook tells of may be there a little later.
  [new GitRefused('GET /branches answered 404', 404), 'again'],
  [new GitRefused('GET /branches answered 403', 403), 'done'],
])('%s: %s', async (error, wanted) => {
  expect(await afterPush('c1', 'c2', 'c2', error)).toMatchObject({
    result: wanted,
    trouble: error.message,
    commit: 'c1',
  })
})

describe('the verdict', () => {
  /** A repository whose one commit asks for one address; each report gets the next of `replies`. */
  function pushing(replies: (Error | 'shown')[], pending = false) {
    const repository = gitSettingsOf(SENDERS)[0]!
    const shown: string[] = []
    const manifest = { subnet: 'git-github', namespace: 'git', podName: 'a', podType: '' }
    let state: GitState = { ...NO_STATE, trouble: 'from before' }
    const reserve = async () =>
      pending
        ? ({ kind: 'pending', operation: 'op_1', retryAfterMs: 1_000, reservations: [] } as const)
        : ({ kind: 'done', created: true, reservations: [] } as const)
    const ports = {
      repository,
      api: {
        head: async () => 'c1',
        relation: async (base: string, other: string) => relation(base, other),
        tree: async () => [{ path: 'a.yaml', blob: 'b' }],
        blob: async () =>
          new TextEncoder().encode(
            JSON.stringify({
              apiVersion: 'kubeovn.io/v1',
              kind: 'IP',
              metadata: { name: 'a.git' },
              spec: manifest,
            }),
          ),
        report: async (commit: string, { state }: Verdict) => {
          const reply = replies.shift() ?? 'shown'
          if (reply !== 'shown') throw reply
          shown.push(`${commit} ${state}`)
        },
        comment: async () => {},
      },
      berth: new FakeBerth({
        reserve,
        reservations: async () => ({ ok: true, value: { items: [] } }),
      } as never).berth,
      clock: new ManualClock(),
      log: silentLog,
      tell: async () => {},
      state: {
        load: () => state,
        save: (next: GitState) => {
          state = next
        },
      },
    }
    const run = () => runGitJob(ports, { kind: 'git', repository: repository.name, after: 'c1' })
    return { run, shown, state: () => state }
  }

  it('is shown when the provider is back, though all else was done before', async () => {
    const push = pushing([new GitAway('POST /statuses answered 503')])
    expect(await push.run()).toBe('again')
    expect(push.state()).toMatchObject({ commit: 'c1', trouble: 'POST /statuses answered 503' })
    expect(await push.run()).toBe('done')
    expect(push.shown).toEqual(['c1 success'])
    expect(push.state()).not.toHaveProperty('trouble')
    expect(push.state()).not.toHaveProperty('owed')
    await push.run()
    expect(push.shown).toHaveLength(1)
  })

  it.each([
    [true, 'again'],
    [false, 'done'],
  ])('refused by the provider, ends nothing (unfinished: %s)', async (pending, wanted) => {
    const push = pushing([new GitRefused('POST /statuses answered 404', 404)], pending)
    expect(await push.run()).toBe(wanted)
    expect(push.state().trouble).toBe('POST /statuses answered 404')
    expect(push.state()).not.toHaveProperty('owed')
  })
})

describe('a commit that is carried out half', () => {
  const ITEM = { subnet: 'git-github', namespace: 'git', podName: 'a', podType: '' } as const
  const FILES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
    c1: {
      'a.yaml': JSON.stringify({
        apiVersion: 'kubeovn.io/v1',
        kind: 'IP',
        metadata: { name: 'a.git' },
        spec: ITEM,
      }),
    },
    c2: { 'berth.yaml': 'prune: true' },
  }

  it.each(['killed', 'pending'])('is known to the next, which takes out what came of it: %s', async (how) => {
    const repository = gitSettingsOf(SENDERS)[0]!
    const there: ReturnType<typeof granted>[] = []
    const released: string[] = []
    let head = 'c1'
    let state: GitState = NO_STATE
    const berth = {
      reservations: async () => ({ ok: true, value: { items: [...there] } }),
      reserve: async () => {
        if (how === 'pending')
          return { kind: 'pending', operation: 'op_1', retryAfterMs: 1_000, reservations: [] }
        there.push(granted(ITEM))
        throw new Error('killed')
      },
      release: async ({ targets }: { targets: { name: string }[] }) => {
        released.push(...targets.map(({ name }) => name))
        return { kind: 'done', created: false, reservations: [] }
      },
    }
    const ports = {
      repository,
      api: {
        head: async () => head,
        relation: async (base: string, other: string) => relation(base, other),
        tree: async (commit: string) =>
          Object.keys(FILES[commit] ?? {}).map((path) => ({ path, blob: `${commit}/${path}` })),
        blob: async (id: string) => {
          const [commit = '', path = ''] = id.split('/')
          return new TextEncoder().encode(FILES[commit]?.[path])
        },
        report: async () => {},
        comment: async () => {},
      },
      berth: new FakeBerth(berth as never).berth,
      clock: new ManualClock(),
      log: silentLog,
      tell: async () => {},
      state: {
        load: () => state,
        save: (next: GitState) => {
          state = next
        },
      },
    }
    const run = () => runGitJob(ports, { kind: 'git', repository: repository.name, after: head })
    if (how === 'killed') await expect(run()).rejects.toThrow('killed')
    else {
      expect(await run()).toBe('again')
      there.push(granted(ITEM))
    }
    head = 'c2'
    expect(await run()).toBe('done')
    expect(released).toEqual(['a.git'])
    expect(state).toMatchObject({ commit: 'c2', tracked: [] })
    expect(state).not.toHaveProperty('begun')
  })
})

it('what drifted is told once, however often it is looked at', async () => {
  const repository = gitSettingsOf(SENDERS)[0]!
  const told: string[] = []
  const tracked = [
    { subnet: 'git-github', namespace: 'git', podName: 'a', name: 'a.git', id: 'res_a', file: 'a.yaml' },
  ]
  const fake = new FakeBerth({ reservations: async () => ({ ok: true, value: { items: [] } }) })
  for (let round = 0; round < 2; round++)
    await runGitJob(
      {
        repository,
        api: {
          head: async () => 'c2',
          relation: async (base, other) => relation(base, other),
          tree: async () => [],
          blob: async () => new Uint8Array(),
          report: async () => {},
          comment: async () => {},
        },
        berth: fake.berth,
        clock: new ManualClock(),
        log: silentLog,
        tell: async (happenings) =>
          void told.push(...happenings.map(({ id, data }) => `${id} ${JSON.parse(data).drift}`)),
        state: { load: () => ({ commit: 'c1', tracked }), save: () => {} },
      },
      { kind: 'git', repository: repository.name, after: 'c2' },
    )
  expect(told).toHaveLength(2)
  expect(new Set(told).size).toBe(1)
  expect(told[0]).toMatch(/^evt_[0-9a-f]{32} git\/a in git-github was released outside Git$/)
})
