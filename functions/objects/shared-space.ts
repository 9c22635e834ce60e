import { DurableObject } from 'cloudflare:workers'
import { systemClock } from '../../shared/clock.ts'
import type { Holding, Settlement, Taken } from '../../shared/spaces/port.ts'
import { SharedTable } from '../../shared/spaces/table.ts'
import { durableObjectSql } from './sql.ts'

/** One shared space, by name: which member has which address and MAC. It calls nobody. */
export class SharedSpace extends DurableObject {
  #opened: SharedTable | undefined

  async take(member: string, holdings: readonly Holding[]): Promise<readonly Taken[]> {
    return this.#table.take(member, holdings)
  }

  async look(member: string, holdings: readonly Holding[]): Promise<readonly Taken[]> {
    return this.#table.look(member, holdings)
  }

  async settle(member: string, rows: readonly Settlement[]): Promise<readonly Taken[]> {
    return this.#table.settle(member, rows)
  }

  get #table(): SharedTable {
    this.#opened ??= new SharedTable(durableObjectSql(this.ctx.storage), systemClock)
    return this.#opened
  }
}
