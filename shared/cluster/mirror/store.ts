import type { Sql } from '../../sql.ts'
import type { KubeObject, WatchEvent } from '../port.ts'
import type { MirroredKind } from './kinds.ts'
import { Outbox } from './outbox.ts'
import { concerned } from './owners.ts'
import { type MirrorRow, objectOf, project } from './project.ts'

/** How far a kind has been followed. */
export interface KindState {
  /** absent: the cluster does not serve it. new: no list of it was ever whole. */
  readonly state: 'new' | 'synced' | 'absent'
  /** Watch from here; '' where a list has to come first. */
  readonly rv: string
  /** Wall time, ms; 0 where nothing was heard yet. */
  readonly heardMs: number
}

type Stored = Pick<MirrorRow, 'namespace' | 'name' | 'uid' | 'rv' | 'subnet' | 'owner' | 'body'>

const COLUMNS = 'namespace, name, uid, rv, subnet, owner, body'

/**
 * The mirror's rows. Each method is one transaction: rows, the version they are of, and what follows from the change
 * for the ledgers (outbox) are there together or not at all. Methods that change rows return the Subnets concerned.
 */
export class MirrorStore {
  readonly outbox: Outbox
  readonly #sql: Sql

  /** The tables must be there (schema.ts). */
  constructor(sql: Sql) {
    this.#sql = sql
    this.outbox = new Outbox(sql)
  }

  kind(kind: MirroredKind): KindState {
    const row = this.#sql.first<{ state: KindState['state']; rv: string; heard_ms: number }>(
      'SELECT state, rv, heard_ms FROM mirror_kind WHERE kind = ?',
      kind,
    )
    return row
      ? { state: row.state, rv: row.rv, heardMs: row.heard_ms }
      : { state: 'new', rv: '', heardMs: 0 }
  }

  /** A list begins: from nothing, whatever an earlier one brought. @returns its number, for its pages */
  beginList(kind: MirroredKind): number {
    this.#sql.run(
      `INSERT INTO mirror_kind (kind, state, rv, gen, heard_ms) VALUES (?, 'new', '', 1, 0)
       ON CONFLICT (kind) DO UPDATE SET rv = '', gen = gen + 1`,
      kind,
    )
    return this.#gen(kind)
  }

  takePage(list: number, objects: readonly KubeObject[]): ReadonlySet<string> {
    return this.#change((touched) => {
      for (const object of objects) this.#put(project(object), list, touched)
    })
  }

  /**
   * The list is whole: what it did not name is gone, and the watch goes on from `rv`. An object may have come and gone
   * unseen, and leave no mark: ledgers are told all there is once more, and miss it by themselves.
   */
  endList(kind: MirroredKind, list: number, rv: string, nowMs: number): ReadonlySet<string> {
    return this.#change((touched) => {
      this.#removeUnnamed(kind, list, touched)
      this.#know(kind, 'synced', rv, nowMs)
      if (kind === 'IP' || kind === 'Vip') this.outbox.relistAll()
    })
  }

  /** The cluster does not serve the kind (any more). */
  absent(kind: MirroredKind, nowMs: number): ReadonlySet<string> {
    return this.#change((touched) => {
      this.#removeUnnamed(kind, this.#gen(kind) + 1, touched)
      this.#know(kind, 'absent', '', nowMs)
    })
  }

  /** What the watch said. */
  apply(
    kind: MirroredKind,
    event: Exclude<WatchEvent, { type: 'ERROR' }>,
    nowMs: number,
  ): ReadonlySet<string> {
    return this.#change((touched) => {
      if (event.type === 'BOOKMARK') {
        this.#know(kind, 'synced', event.resourceVersion, nowMs)
        return
      }
      const row = project(event.object)
      if (event.type === 'DELETED') this.#remove(kind, row.namespace, row.name, touched)
      else this.#put(row, this.#gen(kind), touched)
      this.#know(kind, 'synced', row.rv, nowMs)
    })
  }

  /** The watch broke off beyond its version: a list has to come first. */
  forgetVersion(kind: MirroredKind): void {
    this.#sql.run(`UPDATE mirror_kind SET rv = '' WHERE kind = ?`, kind)
  }

  get(kind: MirroredKind, namespace: string, name: string): KubeObject | undefined {
    const row = this.#find(kind, namespace, name)
    return row && objectOf(row)
  }

  all(kind: MirroredKind): KubeObject[] {
    return this.#sql
      .all<{ rv: string; body: string }>(
        'SELECT rv, body FROM mirror_object WHERE kind = ? ORDER BY namespace, name',
        kind,
      )
      .map(objectOf)
  }

  /** Objects whose spec names that Subnet, in name order after `after`. */
  ofSubnet(kind: MirroredKind, subnet: string, after: string, limit: number): KubeObject[] {
    return this.#sql
      .all<{ rv: string; body: string }>(
        `SELECT rv, body FROM mirror_object
          WHERE kind = ? AND subnet = ? AND subnet <> '' AND name > ? ORDER BY name LIMIT ?`,
        ...[kind, subnet, after, limit],
      )
      .map(objectOf)
  }

  #change(work: (touched: Set<string>) => void): ReadonlySet<string> {
    const touched = new Set<string>()
    this.#sql.transaction(() => work(touched))
    touched.delete('')
    return touched
  }

  #gen(kind: MirroredKind): number {
    return this.#sql.first<{ gen: number }>('SELECT gen FROM mirror_kind WHERE kind = ?', kind)?.gen ?? 0
  }

  #know(kind: MirroredKind, state: KindState['state'], rv: string, nowMs: number): void {
    this.#sql.run(
      `INSERT INTO mirror_kind (kind, state, rv, gen, heard_ms) VALUES (?, ?, ?, 1, ?)
       ON CONFLICT (kind) DO UPDATE SET state = excluded.state, rv = excluded.rv, heard_ms = excluded.heard_ms`,
      ...[kind, state, rv, nowMs],
    )
  }

  #find(kind: MirroredKind, namespace: string, name: string): Stored | undefined {
    return this.#sql.first<Stored & Record<string, string>>(
      `SELECT ${COLUMNS} FROM mirror_object WHERE kind = ? AND namespace = ? AND name = ?`,
      ...[kind, namespace, name],
    )
  }

  #put(row: MirrorRow, gen: number, touched: Set<string>): void {
    const before = this.#find(row.kind, row.namespace, row.name)
    if (before?.uid === row.uid && before.body === row.body) {
      this.#sql.run(
        `UPDATE mirror_object SET rv = ?, gen = ?
          WHERE kind = ? AND namespace = ? AND name = ? AND (rv <> ? OR gen <> ?)`,
        ...[row.rv, gen, row.kind, row.namespace, row.name, row.rv, gen],
      )
      if (row.kind !== 'IP' || before.rv === row.rv) return
    } else {
      this.#sql.run(
        `INSERT OR REPLACE INTO mirror_object (kind, gen, ${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        ...[row.kind, gen, row.namespace, row.name, row.uid, row.rv, row.subnet, row.owner, row.body],
      )
    }
    this.#concern(row.kind, before, row, touched)
  }

  #remove(kind: MirroredKind, namespace: string, name: string, touched: Set<string>): void {
    const before = this.#find(kind, namespace, name)
    if (!before) return
    this.#sql.run(
      'DELETE FROM mirror_object WHERE kind = ? AND namespace = ? AND name = ?',
      ...[kind, namespace, name],
    )
    this.#concern(kind, before, undefined, touched)
  }

  #removeUnnamed(kind: MirroredKind, gen: number, touched: Set<string>): void {
    const rows = this.#sql.all<{ namespace: string; name: string }>(
      'SELECT namespace, name FROM mirror_object WHERE kind = ? AND gen < ?',
      ...[kind, gen],
    )
    for (const { namespace, name } of rows) this.#remove(kind, namespace, name, touched)
  }

  /** What a change means to the ledgers. */
  #concern(
    kind: MirroredKind,
    before: Stored | undefined,
    after: MirrorRow | undefined,
    touched: Set<string>,
  ): void {
    switch (kind) {
      case 'Subnet':
        touched.add(after?.name ?? before?.name ?? '')
        return
      case 'IPPool':
        for (const row of [before, after]) touched.add(row?.subnet ?? '')
        return
      case 'IP':
      case 'Vip': {
        // No IP object's name has a slash (VIP_PREFIX).
        const name = (row: { readonly name: string }) => (kind === 'Vip' ? `vip/${row.name}` : row.name)
        if (before && (before.subnet !== after?.subnet || before.uid !== after.uid)) {
          this.outbox.mark(before.subnet, 'gone', name(before), before.uid)
          touched.add(before.subnet)
        }
        if (after) {
          this.outbox.mark(after.subnet, 'object', name(after), '')
          touched.add(after.subnet)
        }
        return
      }
      case 'Pod':
      case 'StatefulSet':
      case 'VirtualMachine':
      case 'VirtualMachineInstance':
        for (const owner of this.#ownersOf(kind, before, after)) {
          for (const subnet of this.outbox.nudge(owner)) touched.add(subnet)
        }
        return
      default:
        kind satisfies never
    }
  }

  #ownersOf(
    kind: 'Pod' | 'StatefulSet' | 'VirtualMachine' | 'VirtualMachineInstance',
    before: Stored | undefined,
    after: MirrorRow | undefined,
  ): readonly string[] {
    const { exact, numbered } = concerned(kind, before && objectOf(before), after && objectOf(after))
    if (numbered === undefined) return exact
    // `.` follows `-` in ASCII, so this is every name that begins with `set-`.
    const named = this.#sql.all<{ owner: string }>(
      'SELECT DISTINCT owner FROM mirror_object WHERE owner > ? AND owner < ?',
      ...[`${numbered}-`, `${numbered}.`],
    )
    const ordinal = /^(0|[1-9]\d*)$/
    return named.map(({ owner }) => owner).filter((owner) => ordinal.test(owner.slice(numbered.length + 1)))
  }
}
