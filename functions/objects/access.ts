import { DurableObject } from 'cloudflare:workers'
import { type ApiKey, KeyTable } from '../../shared/access/keys.ts'
import { type RatePolicy, type RateState, RateWindows } from '../../shared/access/rate.ts'
import { systemClock } from '../../shared/clock.ts'
import { consoleLog } from '../../shared/log.ts'
import { durableObjectSql } from './sql.ts'

/** The API keys, hashed, and how much each tenant has asked of late. One for all, so that a limit is one limit. */
export class Access extends DurableObject {
  readonly #windows = new RateWindows()
  #opened: KeyTable | undefined

  /** The key whose secret has this hash, if it is good, and its tenant's window. One call for each request. */
  async admit(
    id: string,
    hash: Uint8Array,
    policy: RatePolicy,
  ): Promise<{ readonly key: ApiKey; readonly rate: RateState } | undefined> {
    const key = this.#keys.check(id, hash)
    return key && { key, rate: this.#windows.take(`key/${key.tenant}`, policy, systemClock.nowMs()) }
  }

  /** A window for those who prove themselves elsewhere. */
  async take(tenant: string, policy: RatePolicy): Promise<RateState> {
    return this.#windows.take(tenant, policy, systemClock.nowMs())
  }

  async add(key: ApiKey, hash: Uint8Array): Promise<void> {
    this.#keys.add(key, hash)
    await this.#arm()
  }

  async list(after: string, limit: number): Promise<ApiKey[]> {
    return this.#keys.list(after, limit)
  }

  async revoke(id: string): Promise<ApiKey | undefined> {
    return this.#keys.revoke(id)
  }

  /** Elapsed time passes only when somebody looks: while a key has an end before it, this does. */
  override async alarm(): Promise<void> {
    await this.#arm()
  }

  async #arm(): Promise<void> {
    const nextMs = this.#keys.nextLookMs()
    if (nextMs === undefined) return
    const armedMs = await this.ctx.storage.getAlarm()
    // One that was set before the clock was set back would ring much too late.
    if (armedMs === null || armedMs > nextMs) await this.ctx.storage.setAlarm(nextMs)
  }

  get #keys(): KeyTable {
    this.#opened ??= new KeyTable(durableObjectSql(this.ctx.storage), systemClock, (stepMs) =>
      consoleLog.write('warn', 'wall clock', { stepMs, detail: 'the clock was set, or Berth stood still' }),
    )
    return this.#opened
  }
}
