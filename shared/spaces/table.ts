import type { Clock } from '../clock.ts'
import { parseAddress } from '../ipam/address.ts'
import type { Sql, SqlRow } from '../sql.ts'
import type { Elsewhere, Holding, Settlement, Taken } from './port.ts'

const TABLES = [
  // what: address or mac. id: the row of the member's ledger; several rows of one member may have the same MAC.
  // place: sorts addresses as they count; "" for a MAC.
  `CREATE TABLE IF NOT EXISTS held (
     what TEXT NOT NULL, value TEXT NOT NULL, member TEXT NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL,
     place TEXT NOT NULL,
     PRIMARY KEY (what, value, id)) WITHOUT ROWID`,
  `CREATE INDEX IF NOT EXISTS held_id ON held (id)`,
  `CREATE INDEX IF NOT EXISTS held_place ON held (place) WHERE place <> ''`,
  // Rows that are over: a request of theirs that comes late takes nothing.
  `CREATE TABLE IF NOT EXISTS over (
     member TEXT NOT NULL, id TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (member, id)) WITHOUT ROWID`,
  `CREATE INDEX IF NOT EXISTS over_at ON over (at)`,
]

/** How long after its row was over a request may come. Hours beyond any time limit, for wall clocks jump. */
const LATE_MS = 7 * 86_400_000
const PRUNED_AT_ONCE = 100
/** Further addresses told with a refusal. */
const OTHERS = 256

interface Row extends SqlRow {
  member: string
  name: string
}

type Thing = readonly [what: Elsewhere['what'], value: string]

/** Who has what in one shared space. Each method is one transaction. */
export class SharedTable {
  readonly #sql: Sql
  readonly #clock: Pick<Clock, 'nowMs'>

  constructor(sql: Sql, clock: Pick<Clock, 'nowMs'>) {
    this.#sql = sql
    this.#clock = clock
    for (const statement of TABLES) sql.run(statement)
  }

  take(member: string, holdings: readonly Holding[]): Taken[] {
    let isTold = false
    return this.#sql.transaction(() =>
      holdings.map((holding): Taken => {
        const by = this.#isOver(member, holding.id) ? late(member, holding) : this.#inTheWay(member, holding)
        if (by) {
          const others = isTold ? [] : this.#others(member, by)
          isTold = true
          return { result: 'held', by, ...(others.length > 0 ? { others } : {}) }
        }
        for (const thing of thingsOf(holding)) this.#put(member, holding, thing)
        return { result: 'taken' }
      }),
    )
  }

  look(member: string, holdings: readonly Holding[]): Taken[] {
    return holdings.map((holding): Taken => {
      const by = this.#inTheWay(member, holding)
      return by ? { result: 'held', by } : { result: 'taken' }
    })
  }

  settle(member: string, rows: readonly Settlement[]): Taken[] {
    return this.#sql.transaction(() => {
      this.#prune()
      return rows.map(({ id, holding }): Taken => {
        this.#sql.run(`DELETE FROM held WHERE id = ? AND member = ?`, id, member)
        if (!holding) {
          this.#sql.run(
            `INSERT OR REPLACE INTO over (member, id, at) VALUES (?, ?, ?)`,
            member,
            id,
            this.#clock.nowMs(),
          )
          return { result: 'taken' }
        }
        for (const thing of thingsOf(holding)) {
          if (!this.#ofOthers(member, thing)) this.#put(member, holding, thing)
        }
        const by = this.#inTheWay(member, holding)
        return by ? { result: 'held', by } : { result: 'taken' }
      })
    })
  }

  #put(member: string, { id, name }: Holding, [what, value]: Thing): void {
    this.#sql.run(
      `INSERT OR REPLACE INTO held (what, value, member, id, name, place) VALUES (?, ?, ?, ?, ?, ?)`,
      what,
      value,
      member,
      id,
      name,
      what === 'address' ? placeOf(value) : '',
    )
  }

  /** What others have from there on. */
  #others(member: string, { what, value }: Elsewhere): string[] {
    if (what === 'mac') return []
    return this.#sql
      .all<{ value: string }>(
        `SELECT value FROM held WHERE place >= ? AND place <> '' AND member <> ? ORDER BY place LIMIT ?`,
        placeOf(value),
        member,
        OTHERS,
      )
      .map((row) => row.value)
  }

  #isOver(member: string, id: string): boolean {
    return this.#sql.first(`SELECT 1 AS one FROM over WHERE member = ? AND id = ?`, member, id) !== undefined
  }

  #inTheWay(member: string, holding: Holding): Elsewhere | undefined {
    for (const thing of thingsOf(holding)) {
      const row = this.#ofOthers(member, thing)
      if (row) return { member: row.member, name: row.name, what: thing[0], value: thing[1] }
    }
    return undefined
  }

  #ofOthers(member: string, [what, value]: Thing): Row | undefined {
    return this.#sql.first<Row>(
      `SELECT member, name FROM held WHERE what = ? AND value = ? AND member <> ? LIMIT 1`,
      what,
      value,
      member,
    )
  }

  #prune(): void {
    this.#sql.run(
      `DELETE FROM over WHERE (member, id) IN (SELECT member, id FROM over WHERE at < ? ORDER BY at LIMIT ?)`,
      this.#clock.nowMs() - LATE_MS,
      PRUNED_AT_ONCE,
    )
  }
}

function thingsOf({ addresses, mac }: Holding): Thing[] {
  const macs: Thing[] = mac === '' ? [] : [['mac', mac]]
  return [...addresses.map((value): Thing => ['address', value]), ...macs]
}

/** v4 before v6, each as it counts. */
function placeOf(text: string): string {
  const parsed = parseAddress(text)
  if (!parsed.ok) return ''
  const { family, value } = parsed.value
  return `${family}${value.toString(16).padStart(family === 4 ? 8 : 32, '0')}`
}

/** Nobody waits for the answer to this any more. */
function late(member: string, { name, addresses }: Holding): Elsewhere {
  return { member, name, what: 'address', value: addresses[0] ?? '' }
}
