import { DurableObject } from 'cloudflare:workers'
import { systemClock } from '../../shared/clock.ts'
import type { Happening } from '../../shared/events/cloud-event.ts'
import { type Claim, Deliveries, type HookAnswer } from '../../shared/hooks/deliveries.ts'
import { Documents } from '../../shared/hooks/documents.ts'
import { Jobs, LONGEST_WAIT_MS } from '../../shared/hooks/jobs.ts'
import type { ChatJob } from '../chatops/follow.ts'
import { runChatJob } from '../chatops/follow.ts'
import { berthOf, type Env, hookPortsOf } from '../env.ts'
import { type GitJob, runGitJob } from '../gitops/job.ts'
import { apiOf } from '../gitops/providers.ts'
import { type GitState, NO_STATE } from '../gitops/state.ts'
import type { HookBox } from '../hooks/box.ts'
import type { HookPorts } from '../hooks/ports.ts'
import { durableObjectSql } from './sql.ts'

type Job = ChatJob | GitJob

/** Jobs of one run of the alarm, and how long a job that is not done waits at first; then double, up to the longest. */
const JOBS_AT_ONCE = 16
const FIRST_WAIT_MS = 2_000

/**
 * What the doors of foreign senders remember: deliveries, so that each has one effect, and jobs, so that what was
 * promised comes also when the handler died. Its alarm runs the jobs.
 */
export class Hook extends DurableObject<Env> implements HookBox {
  readonly #deliveries: Deliveries
  readonly #documents: Documents
  readonly #jobs: Jobs

  constructor(state: DurableObjectState, env: Env) {
    super(state, env)
    const sql = durableObjectSql(state.storage)
    this.#deliveries = new Deliveries(sql)
    this.#documents = new Documents(sql)
    this.#jobs = new Jobs(sql, systemClock)
  }

  async claim(source: string, id: string, hash: string): Promise<Claim> {
    return this.#deliveries.claim(source, id, hash, systemClock.nowMs())
  }

  async settle(source: string, id: string, answer: HookAnswer | undefined): Promise<void> {
    this.#deliveries.settle(source, id, answer, systemClock.nowMs())
  }

  async later(id: string, body: string, afterMs: number, forMs: number): Promise<void> {
    this.#jobs.put(id, body, afterMs, forMs)
    await this.#arm()
  }

  async drop(id: string): Promise<void> {
    this.#jobs.drop(id)
  }

  async document(name: string): Promise<string | undefined> {
    return this.#documents.get(name)
  }

  /** Runs at least once; may run twice, late, or after a restart. Every job is repeatable. */
  override async alarm(): Promise<void> {
    const waitMs = (tries: number) => Math.min(FIRST_WAIT_MS * 2 ** tries, LONGEST_WAIT_MS)
    const due = this.#jobs.take(waitMs, JOBS_AT_ONCE)
    await Promise.all(
      due.map(async (job) => {
        const ports = hookPortsOf(this.env)
        try {
          if ((await this.#run(JSON.parse(job.body) as Job, ports)) === 'done') this.#jobs.done(job)
        } catch (error) {
          const reason = error instanceof Error ? error.message : 'unknown'
          ports.log.write('error', 'hook job failed', { job: job.id, reason })
        }
      }),
    )
    await this.#arm()
  }

  async #run(job: Job, ports: HookPorts): Promise<'done' | 'again'> {
    const berth = berthOf(this.env)
    switch (job.kind) {
      case 'chat':
        return runChatJob({ ...ports, settings: ports.chat, berth }, job)
      case 'git':
      case 'git-pull': {
        const repository = ports.git.find(({ name }) => name === job.repository)
        // It was taken out of the settings meanwhile.
        if (!repository) return 'done'
        const state = {
          load: () => JSON.parse(this.#documents.get('git') ?? JSON.stringify(NO_STATE)) as GitState,
          save: (next: GitState) => this.#documents.put('git', JSON.stringify(next)),
        }
        const { on, box } = ports.events
        const tell = async (happenings: readonly Happening[]) => {
          if (on && happenings.length > 0) await box.accept(happenings)
        }
        return runGitJob(
          { ...ports, repository, tell, api: apiOf(ports.http, repository), berth, state },
          job,
        )
      }
      default:
        return job satisfies never
    }
  }

  async #arm(): Promise<void> {
    const nextMs = this.#jobs.nextMs()
    if (nextMs === undefined) return
    const armedMs = await this.ctx.storage.getAlarm()
    if (armedMs === null || armedMs > nextMs) await this.ctx.storage.setAlarm(nextMs)
  }
}
