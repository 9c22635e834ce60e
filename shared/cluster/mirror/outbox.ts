import type { Sql } from '../../sql.ts'

/** Something a Subnet's ledger has yet to be told. The state of an object is read when it is told, not kept here. */
export interface Mark {
  readonly seq: number
  /** object: the IP object of that name is new or another; gone: it is not there any more, or is another Subnet's; nudge: `name` is an owner. */
  readonly what: 'object' | 'gone' | 'nudge'
  readonly name: string
  /** Of what is gone, otherwise ''. */
  readonly uid: string
}

/** What a Subnet's ledger was told. */
export interface FeedState {
  /** Of the Subnet it is configured from. */
  readonly uid: string
  /** The facts it is configured from, as text. */
  readonly config: string
  /** Whether it was told of all IP objects; changes are collected from `listing` on. */
  readonly state: 'none' | 'listing' | 'listed'
  /** It was told that its Subnet is gone. */
  readonly gone: boolean
}

/**
 * What is to be told to whom, in order. A mark made again moves to the end, so that one that is on its way just now is
 * not taken for told. Each method is called inside the transaction of the change it belongs to, or is one statement.
 */
export class Outbox {
  readonly #sql: Sql

  constructor(sql: Sql) {
    this.#sql = sql
  }

  /** Nothing where the list is yet to come: that will tell it. */
  mark(subnet: string, what: 'object' | 'gone', name: string, uid: string): void {
    if (subnet === '') return
    this.#sql.run(
      `INSERT OR REPLACE INTO mirror_mark (subnet, what, name, uid)
       SELECT ?, ?, ?, ? WHERE EXISTS (SELECT 1 FROM mirror_feed WHERE subnet = ? AND state <> 'none')`,
      ...[subnet, what, name, uid, subnet],
    )
  }

  /** Marks an owner at every Subnet that has an IP object of it. @returns those Subnets */
  nudge(owner: string): string[] {
    const subnets = this.#sql
      .all<{ subnet: string }>(
        `SELECT DISTINCT subnet FROM mirror_object
          WHERE owner = ? AND owner <> '' AND subnet IN (SELECT subnet FROM mirror_feed)`,
        owner,
      )
      .map(({ subnet }) => subnet)
    for (const subnet of subnets) {
      this.#sql.run(
        `INSERT OR REPLACE INTO mirror_mark (subnet, what, name, uid) VALUES (?, 'nudge', ?, '')`,
        ...[subnet, owner],
      )
    }
    return subnets
  }

  /** The next ones of a Subnet, in order. */
  marks(subnet: string, limit: number): Mark[] {
    return this.#sql.all<{ seq: number; what: Mark['what']; name: string; uid: string }>(
      `SELECT seq, what, name, uid FROM mirror_mark WHERE subnet = ? ORDER BY seq LIMIT ?`,
      ...[subnet, limit],
    )
  }

  /** The number of the latest mark there ever was. */
  latest(): number {
    return this.#sql.first<{ seq: number | null }>('SELECT max(seq) AS seq FROM mirror_mark')?.seq ?? 0
  }

  /** Whether all marks of a Subnet up to `seq` were told. */
  told(subnet: string, seq: number): boolean {
    return !this.#sql.first(
      'SELECT seq FROM mirror_mark WHERE subnet = ? AND seq <= ? LIMIT 1',
      ...[subnet, seq],
    )
  }

  /** The ledger has these. */
  settle(marks: readonly Mark[]): void {
    this.#sql.transaction(() => {
      for (const { seq } of marks) this.#sql.run('DELETE FROM mirror_mark WHERE seq = ?', seq)
    })
  }

  waiting(): number {
    return this.#sql.first<{ n: number }>('SELECT count(*) AS n FROM mirror_mark')?.n ?? 0
  }

  feed(subnet: string): FeedState | undefined {
    const row = this.#sql.first<{ uid: string; config: string; state: FeedState['state']; gone: number }>(
      'SELECT uid, config, state, gone FROM mirror_feed WHERE subnet = ?',
      subnet,
    )
    return row && { ...row, gone: row.gone === 1 }
  }

  feeds(): string[] {
    return this.#sql.all<{ subnet: string }>('SELECT subnet FROM mirror_feed').map(({ subnet }) => subnet)
  }

  /** The ledger is configured. A Subnet of another uid begins anew. */
  configured(subnet: string, uid: string, config: string): void {
    this.#sql.run(
      `INSERT INTO mirror_feed (subnet, uid, config, state, gone) VALUES (?, ?, ?, 'none', 0)
       ON CONFLICT (subnet) DO UPDATE SET
         state = CASE WHEN uid = excluded.uid AND gone = 0 THEN state ELSE 'none' END,
         uid = excluded.uid, config = excluded.config, gone = 0`,
      ...[subnet, uid, config],
    )
  }

  subnetGone(subnet: string): void {
    this.#sql.run(`UPDATE mirror_feed SET gone = 1, config = '' WHERE subnet = ?`, subnet)
  }

  /** From here on changes are collected; those so far will be in the list. */
  beginList(subnet: string): void {
    this.#sql.transaction(() => {
      this.#sql.run(`UPDATE mirror_feed SET state = 'listing' WHERE subnet = ?`, subnet)
      this.#sql.run(`DELETE FROM mirror_mark WHERE subnet = ? AND what <> 'nudge'`, subnet)
    })
  }

  endList(subnet: string): void {
    this.#sql.run(`UPDATE mirror_feed SET state = 'listed' WHERE subnet = ? AND state = 'listing'`, subnet)
  }

  /** The ledger has to be told of everything once more. */
  relist(subnet: string): void {
    this.#sql.run(`UPDATE mirror_feed SET state = 'none' WHERE subnet = ?`, subnet)
  }

  /** The same for every ledger. */
  relistAll(): void {
    this.#sql.run(`UPDATE mirror_feed SET state = 'none'`)
  }

  /** The ledger keeps nothing of this Subnet (any more). */
  forget(subnet: string): void {
    this.#sql.transaction(() => {
      this.#sql.run('DELETE FROM mirror_feed WHERE subnet = ?', subnet)
      this.#sql.run('DELETE FROM mirror_mark WHERE subnet = ?', subnet)
    })
  }
}
