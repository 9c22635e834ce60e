import { type Clock, rfc3339Seconds } from '../../clock.ts'
import { type Log, silentLog } from '../../log.ts'
import type { Random } from '../../random.ts'
import { ok, type Result } from '../../result.ts'
import type { Sql } from '../../sql.ts'
import {
  type ClusterFailure,
  type ClusterReply,
  type ClusterRequest,
  KINDS,
  type Kind,
  type KubeObject,
  type ListOptions,
  type ObjectList,
  type ObjectRef,
} from '../port.ts'
import { type Admitted, admit, isKind, type Key, keyOf, utf8Bytes } from './admit.ts'
import { compose, uuid } from './compose.ts'
import { EventLog, type EventPage, type EventQuery, LOG_LIMITS, type LogLimits } from './event-log.ts'
import { invalid, notFound, refused, stale, subject } from './failure.ts'
import { isJsonObject, type Json, jsonCopy, mergePatch, sameJson } from './json.ts'
import { listPage } from './listing.ts'
import { openSchema } from './schema.ts'
import { SEED_SUBNETS } from './seeds.ts'

/** As etcd's default request limit. */
const MAX_OBJECT_BYTES = 1.5 * 1024 * 1024
const TOO_LARGE = `more than ${MAX_OBJECT_BYTES} bytes`

/** CRDs with a status subresource: status is written there only, never by create, replace or patch. */
const STATUS_SUBRESOURCE: ReadonlySet<Kind> = new Set<Kind>(['Subnet', 'IPPool'])

export interface StoreParts {
  readonly sql: Sql
  readonly clock: Pick<Clock, 'nowMs'>
  readonly random: Random
  readonly log?: Log
  readonly limits?: LogLimits
  /** Why a Subnet cannot be beside the others, judged in the transaction that writes it: a validating admission. */
  readonly refuseSubnet?: (subnet: KubeObject, others: readonly KubeObject[]) => string | undefined
}

interface Stored {
  readonly rv: number
  readonly body: string
  readonly object: KubeObject
}

/**
 * A cluster's API objects in SQLite, with an API server's semantics, synchronous. All state is in the tables (their only
 * writer remembers the counter), so losing the process loses nothing. Opening makes, migrates or seeds the tables; storage newer than the
 * code makes every call answer Unavailable and is not written.
 */
export class EmbeddedStore {
  readonly #parts: StoreParts
  readonly #events: EventLog
  readonly #closed: { readonly ok: false; readonly error: ClusterFailure } | undefined

  constructor(parts: StoreParts) {
    this.#parts = parts
    this.#events = new EventLog(parts.sql, parts.limits ?? LOG_LIMITS)
    const opened = openSchema(parts.sql, () => this.#seed())
    if (!opened.ok) {
      const { stored, known } = opened.error
      this.#closed = refused('Unavailable', `storage has schema ${stored}, this version knows ${known}`)
    }
  }

  /**
   * The requests in order, each carried out or refused by itself, all in one transaction. Where storage throws, what was
   * done is taken back and each is tried in a transaction of its own; the one that throws again is Unavailable.
   */
  send(requests: readonly ClusterRequest[]): ClusterReply[] {
    const closed = this.#closed
    if (closed) return requests.map(() => closed)
    if (requests.length > 1) {
      try {
        return this.#transaction(() => requests.map((request) => this.#answer(request)))
      } catch (error) {
        this.#complain('batch', error)
      }
    }
    return requests.map((request) => {
      try {
        return this.#transaction(() => this.#answer(request))
      } catch (error) {
        return refused('Unavailable', `storage failed: ${this.#complain(request.verb, error)}`)
      }
    })
  }

  /** One page; without a limit as much as one reply should carry, with `continue` if there is more. */
  list(kind: Kind, options: ListOptions = {}): Result<ObjectList, ClusterFailure> {
    if (this.#closed) return this.#closed
    if (!isKind(kind)) return refused('Invalid', `no such kind: ${JSON.stringify(kind)}`)
    if (options.namespace !== undefined && !KINDS[kind].namespaced) {
      return refused('Invalid', `${KINDS[kind].plural} have no namespace`)
    }
    return listPage(this.#parts.sql, this.#events, kind, options)
  }

  /** What changed after a resourceVersion; at once, possibly nothing. */
  eventsSince(query: EventQuery): Result<EventPage, ClusterFailure> {
    return this.#closed ?? this.#events.since(query)
  }

  #seed(): void {
    for (const subnet of SEED_SUBNETS) {
      const reply = this.#create(subnet, false)
      if (!reply.ok) throw new Error(`seed: ${reply.error.message}`)
    }
    this.#events.settle()
  }

  #transaction<T>(work: () => T): T {
    try {
      return this.#parts.sql.transaction(() => {
        const value = work()
        this.#events.settle()
        return value
      })
    } catch (error) {
      this.#events.forget()
      throw error
    }
  }

  #complain(verb: string, error: unknown): string {
    const message = error instanceof Error ? error.message : String(error)
    ;(this.#parts.log ?? silentLog).write('error', 'embedded.storage', { verb, message })
    return message
  }

  #answer(request: ClusterRequest): ClusterReply {
    switch (request.verb) {
      case 'get':
        return this.#get(request.ref)
      case 'create':
        return this.#create(request.object, request.dryRun === true)
      case 'replace':
        return this.#replace(request.object)
      case 'patch':
        return this.#patch(request)
      case 'delete':
        return this.#delete(request.ref, request.uid)
      default:
        return refused('Invalid', `no such verb: ${JSON.stringify(request satisfies never)}`)
    }
  }

  #get(ref: ObjectRef): ClusterReply {
    const key = keyOf(ref)
    if (!key.ok) return key
    const stored = this.#find(key.value)
    return stored ? ok(stored.object) : notFound(key.value)
  }

  #create(sent: KubeObject, dryRun: boolean): ClusterReply {
    const admitted = admit(jsonCopy(sent))
    if (!admitted.ok) return admitted
    const { key, meta, claims, spec, status, event } = admitted.value
    // Before anything else, as an API server does [k8s.io/apiserver/pkg/storage/etcd3/store.go Create].
    if (claims.resourceVersion !== undefined) {
      return invalid(key, 'metadata.resourceVersion: should not be set on objects to be created')
    }
    const exists = () => refused('AlreadyExists', `${subject(key.kind, key.name)} already exists`)
    if (dryRun && this.#find(key)) return exists()
    const rv = this.#events.next()
    const object = compose(key, STATUS_SUBRESOURCE.has(key.kind) ? { spec } : { spec, status, event }, {
      ...meta,
      name: key.name,
      uid: uuid(this.#parts.random),
      creationTimestamp: this.#now(),
      generation: 1,
      ...(dryRun ? {} : { resourceVersion: String(rv) }),
    })
    const body = JSON.stringify(object)
    if (utf8Bytes(body) > MAX_OBJECT_BYTES) return invalid(key, TOO_LARGE)
    const refusal = this.#refusal(key, object)
    if (refusal) return refusal
    if (!dryRun) {
      const rows = this.#parts.sql.run(
        `INSERT INTO embedded_object (kind, namespace, name, rv, body) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
        ...[key.kind, key.namespace, key.name, rv, body],
      )
      if (rows === 0) return exists()
      this.#events.append(rv, 'ADDED', key, body)
    }
    return ok(object)
  }

  #replace(sent: KubeObject): ClusterReply {
    const admitted = admit(jsonCopy(sent))
    if (!admitted.ok) return admitted
    const { key, claims } = admitted.value
    const stored = this.#find(key)
    if (!stored) return notFound(key)
    if (claims.resourceVersion === undefined) {
      return invalid(key, 'metadata.resourceVersion: must be specified for an update')
    }
    return this.#update(stored, admitted.value)
  }

  #patch({
    ref,
    patch,
    resourceVersion,
    subresource,
  }: Extract<ClusterRequest, { verb: 'patch' }>): ClusterReply {
    const named = keyOf(ref)
    if (!named.ok) return named
    const key = named.value
    if (subresource && !STATUS_SUBRESOURCE.has(key.kind)) return notFound(key)
    const stored = this.#find(key)
    if (!stored) return notFound(key)
    if (resourceVersion !== String(stored.rv)) return stale(key)
    const copy = jsonCopy(patch)
    if (!isJsonObject(copy)) return invalid(key, 'a merge patch must be a JSON object of bearable depth')
    const merged = mergePatch(stored.object as unknown as Json, copy)
    if (subresource) return this.#updateStatus(key, stored, merged)
    const admitted = admit(merged)
    if (!admitted.ok) return admitted
    const { kind, namespace, name } = admitted.value.key
    if (kind !== key.kind || namespace !== key.namespace || name !== key.name) {
      return invalid(key, 'kind, namespace and name cannot be changed')
    }
    return this.#update(stored, admitted.value)
  }

  /** Nothing but the status is taken [k8s.io/apiextensions-apiserver/pkg/registry/customresource/status_strategy.go]. */
  #updateStatus(key: Key, stored: Stored, merged: Json): ClusterReply {
    const { status: _, ...rest } = stored.object
    const status = isJsonObject(merged) ? merged.status : undefined
    const object: KubeObject = status === undefined || status === null ? rest : { ...rest, status }
    if (sameJson(stored.object as unknown as Json, object as unknown as Json)) return ok(stored.object)
    return this.#store(key, stored, { ...object, metadata: { ...object.metadata } })
  }

  /** [k8s.io/apimachinery/pkg/api/validation/objectmeta.go ValidateObjectMetaAccessorUpdate] */
  #update(stored: Stored, next: Admitted): ClusterReply {
    const { key, claims } = next
    const old = stored.object
    if (claims.uid !== undefined && claims.uid !== old.metadata.uid) {
      return refused('Conflict', `${subject(key.kind, key.name)}: uid is ${old.metadata.uid}`)
    }
    if (claims.resourceVersion !== undefined && claims.resourceVersion !== String(stored.rv)) {
      return stale(key)
    }
    const terminating = old.metadata.deletionTimestamp !== undefined
    if (claims.terminating && !terminating) {
      return invalid(key, 'metadata.deletionTimestamp: field is immutable')
    }
    const finalizers = next.meta.finalizers ?? []
    if (terminating && finalizers.some((entry) => !old.metadata.finalizers?.includes(entry))) {
      return invalid(
        key,
        'metadata.finalizers: no new finalizers can be added if the object is being deleted',
      )
    }
    const status = STATUS_SUBRESOURCE.has(key.kind) ? (old.status as Json | undefined) : next.status
    const { labels: _l, annotations: _a, finalizers: _f, ownerReferences: _o, ...server } = old.metadata
    const generation = (server.generation ?? 1) + (sameJson(old.spec as Json | undefined, next.spec) ? 0 : 1)
    const object = compose(
      key,
      { spec: next.spec, status, event: next.event },
      { ...next.meta, ...server, generation },
    )
    if (terminating && finalizers.length === 0) return this.#remove(key, stored, object)
    if (sameJson(old as unknown as Json, object as unknown as Json)) return ok(old)
    const refusal = this.#refusal(key, object)
    return refusal ?? this.#store(key, stored, object)
  }

  #refusal(key: Key, object: KubeObject): ReturnType<typeof invalid> | undefined {
    const { refuseSubnet, sql } = this.#parts
    if (key.kind !== 'Subnet' || !refuseSubnet) return undefined
    const rows = sql.all<{ body: string }>(`SELECT body FROM embedded_object WHERE kind = 'Subnet'`)
    const why = refuseSubnet(
      object,
      rows.map(({ body }) => JSON.parse(body) as KubeObject),
    )
    return why === undefined ? undefined : invalid(key, `spec.cidrBlock: ${why}`)
  }

  #delete(ref: ObjectRef, uid: string): ClusterReply {
    const named = keyOf(ref)
    if (!named.ok) return named
    const key = named.value
    const stored = this.#find(key)
    if (!stored) return notFound(key)
    const { metadata } = stored.object
    if (uid !== metadata.uid) {
      return refused('Conflict', `${subject(key.kind, key.name)}: uid is ${metadata.uid}, not ${uid}`)
    }
    if (!metadata.finalizers?.length) return this.#remove(key, stored, stored.object)
    if (metadata.deletionTimestamp !== undefined) return ok(stored.object)
    return this.#store(key, stored, {
      ...stored.object,
      metadata: {
        ...metadata,
        // Marking bumps it too [k8s.io/apiserver/pkg/registry/generic/registry/store.go markAsDeleting].
        generation: (metadata.generation ?? 1) + 1,
        deletionTimestamp: this.#now(),
        deletionGracePeriodSeconds: 0,
      },
    })
  }

  #find({ kind, namespace, name }: Key): Stored | undefined {
    const row = this.#parts.sql.first<{ rv: number; body: string }>(
      `SELECT rv, body FROM embedded_object WHERE kind = ? AND namespace = ? AND name = ?`,
      ...[kind, namespace, name],
    )
    return row && { ...row, object: JSON.parse(row.body) as KubeObject }
  }

  #store(key: Key, before: Stored, object: KubeObject): ClusterReply {
    const rv = this.#events.next()
    object.metadata.resourceVersion = String(rv)
    const body = JSON.stringify(object)
    if (utf8Bytes(body) > MAX_OBJECT_BYTES) return invalid(key, TOO_LARGE)
    this.#parts.sql.run(
      `UPDATE embedded_object SET rv = ?, body = ? WHERE kind = ? AND namespace = ? AND name = ?`,
      ...[rv, body, key.kind, key.namespace, key.name],
    )
    this.#events.append(rv, 'MODIFIED', key, body, before)
    return ok(object)
  }

  /**
   * Removes the object. The event carries it as last stored, a finalizer that was taken off with it still there; the
   * reply carries `last`. Both are under the resourceVersion of the removal.
   */
  #remove(key: Key, before: Stored, last: KubeObject): ClusterReply {
    const rv = this.#events.next()
    const removed = (object: KubeObject) => ({
      ...object,
      metadata: { ...object.metadata, resourceVersion: String(rv) },
    })
    this.#parts.sql.run(
      `DELETE FROM embedded_object WHERE kind = ? AND namespace = ? AND name = ?`,
      ...[key.kind, key.namespace, key.name],
    )
    this.#events.append(rv, 'DELETED', key, JSON.stringify(removed(before.object)), before)
    return ok(removed(last))
  }

  /** RFC 3339, UTC, whole seconds: the form of every timestamp in metadata. */
  #now(): string {
    return rfc3339Seconds(this.#parts.clock.nowMs())
  }
}
