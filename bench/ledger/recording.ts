import { systemClock } from '../../shared/clock.ts'
import { EmbeddedCluster } from '../../shared/cluster/embedded/cluster.ts'
import { embeddedPort } from '../../shared/cluster/embedded/port.ts'
import { EmbeddedStore } from '../../shared/cluster/embedded/store.ts'
import type { CommandPorts } from '../../shared/command/ports.ts'
import { reserve } from '../../shared/command/reserve.ts'
import { Ledger } from '../../shared/ledger/ledger.ts'
import type { LedgerPort } from '../../shared/ledger/port.ts'
import { DEFAULT_SETTINGS } from '../../shared/ledger/settings.ts'
import { silentLog } from '../../shared/log.ts'
import { noOvn } from '../../shared/ovn/none.ts'
import { systemRandom } from '../../shared/random.ts'
import type { Sql, SqlValue } from '../../shared/sql.ts'
import { nodeSql } from '../../test/support/node-sqlite.ts'
import { podName, SUBNET } from './wishes.ts'

/** One statement with its parameters; a BLOB is told by its length. */
export type Statement = readonly [
  text: string,
  ...parameters: (string | number | null | { readonly blob: number })[],
]

/** What one call to an object writes, in one transaction. */
export interface Turn {
  readonly call: string
  readonly statements: readonly Statement[]
  /** Size of arguments and reply, as JSON. */
  readonly askedBytes: number
  readonly toldBytes: number
}

/** Runs Berth's own reserve over node:sqlite and notes every call to an object and every row written in it. */
export class Recording {
  readonly ledgerSql: Sql
  readonly clusterSql: Sql
  private readonly ports: CommandPorts
  private turns: Turn[] = []
  private statements: Statement[] = []

  constructor() {
    this.ledgerSql = this.recorded(nodeSql())
    this.clusterSql = this.recorded(nodeSql())
    const parts = { clock: systemClock, random: systemRandom }
    const ledger = new Ledger({ ...parts, sql: this.ledgerSql, settings: DEFAULT_SETTINGS })
    const calls = new EmbeddedCluster(new EmbeddedStore({ ...parts, sql: this.clusterSql }), systemClock)
    this.ports = {
      ...parts,
      ovn: noOvn,
      clusterName: 'default',
      cluster: embeddedPort(() => this.noting(calls)),
      ledger: () => this.noting<LedgerPort>(ledger),
      log: silentLog,
      settings: { waitMs: 5_000, authority: 'alone', ovn: false, keepVmIp: true, account: 'berth' },
      background: () => {},
    }
  }

  /** The calls of one reserve of pods `first` to `first + count - 1`. */
  async reserve(first: number, count = 1): Promise<{ readonly operation: string; readonly turns: Turn[] }> {
    this.turns = []
    const items = Array.from({ length: count }, (_, i) => ({
      subnet: SUBNET,
      namespace: 'bench',
      podName: podName('bare', first + i),
      podType: '' as const,
    }))
    const command = {
      tenant: 'anonymous',
      requestId: 'bench',
      dryRun: false,
      bodyHash: 'f'.repeat(64),
      items,
    }
    const outcome = await reserve(this.ports, command)
    if (outcome.kind !== 'done') throw new Error(`the recording's reserve ended ${outcome.kind}`)
    return { operation: outcome.reservations[0]!.operation, turns: this.turns }
  }

  /** The last number the cluster gave to a change. */
  lastChange(): number {
    return this.clusterSql.first<{ rv: number }>(`SELECT rv FROM embedded_state`)!.rv
  }

  /** The number of the audit's last line. */
  lastLine(): number {
    return this.ledgerSql.first<{ seq: number }>(`SELECT max(seq) AS seq FROM audit`)!.seq
  }

  /** Every row that a reserve left behind, each once and as it is now. */
  rowsOf(
    operation: string,
    changesAfter: number,
    linesAfter: number,
  ): { readonly subnet: Statement[]; readonly cluster: Statement[] } {
    const op = `'${operation}'`
    return {
      subnet: [
        ...rows(this.ledgerSql, 'lease', `WHERE op = ${op}`),
        ...rows(this.ledgerSql, 'op', `WHERE id = ${op}`),
        ...rows(this.ledgerSql, 'attempt', `WHERE op = ${op}`),
        ...rows(this.ledgerSql, 'audit', `WHERE seq > ${linesAfter}`),
        ...rows(this.ledgerSql, 'page'),
        ...rows(this.ledgerSql, 'state'),
      ],
      cluster: [
        ...rows(this.clusterSql, 'embedded_object', `WHERE rv > ${changesAfter}`),
        ...rows(this.clusterSql, 'embedded_event', `WHERE rv > ${changesAfter}`),
        ...rows(this.clusterSql, 'embedded_state'),
      ],
    }
  }

  private noting<Calls extends object>(calls: Calls): Calls {
    return new Proxy(calls, {
      get: (target, name) => {
        const method = Reflect.get(target, name) as (...parameters: unknown[]) => Promise<unknown>
        return async (...parameters: unknown[]) => {
          this.statements = []
          const told = await method.apply(target, parameters)
          this.turns.push({
            call: String(name),
            statements: this.statements,
            askedBytes: JSON.stringify(parameters).length,
            toldBytes: JSON.stringify(told)?.length ?? 0,
          })
          return told
        }
      },
    })
  }

  private recorded(sql: Sql): Sql {
    return {
      ...sql,
      run: (text, ...parameters) => {
        this.statements.push([text, ...parameters.map(noted)])
        return sql.run(text, ...parameters)
      },
    }
  }
}

const noted = (value: SqlValue) => (value instanceof Uint8Array ? { blob: value.length } : value)

function rows(sql: Sql, table: string, where = ''): Statement[] {
  return sql.all(`SELECT * FROM ${table} ${where}`).map((row) => {
    const columns = Object.keys(row)
    const marks = columns.map(() => '?').join(', ')
    const text = `INSERT OR REPLACE INTO ${table} (${columns.join(', ')}) VALUES (${marks})`
    return [text, ...Object.values(row).map(noted)]
  })
}

/** SQLite makes its own tables by itself, and lets nobody else. */
const OURS = `name NOT LIKE 'sqlite\\_%' ESCAPE '\\'`

/** The statements that make the tables of `sql`, and those that fill them with what they hold. */
export function contents(sql: Sql): { readonly tables: string[]; readonly rows: Statement[] } {
  const tables = sql.all<{ sql: string }>(
    `SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND ${OURS} ORDER BY rowid`,
  )
  const names = sql.all<{ name: string }>(`SELECT name FROM sqlite_master WHERE type = 'table' AND ${OURS}`)
  return { tables: tables.map((row) => row.sql), rows: names.flatMap(({ name }) => rows(sql, name)) }
}
