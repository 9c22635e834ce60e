import { KINDS, type KubeObject, type ObjectRef } from '../../../../shared/cluster/port.ts'
import type { Write } from '../writes.ts'
import type { RecordedStep } from './recording.ts'

/** MACs of a run and their labels in the recording: one for one. */
export class Labels {
  private readonly macOf: ReadonlyMap<string, string>
  private readonly labelOf: ReadonlyMap<string, string>

  constructor(
    macOf: ReadonlyMap<string, string> = new Map(),
    labelOf: ReadonlyMap<string, string> = new Map(),
  ) {
    this.macOf = macOf
    this.labelOf = labelOf
  }

  /** With one more pair, or undefined where label or MAC already mean another. */
  with(label: string, mac: string): Labels | undefined {
    const [known, other] = [this.macOf.get(label), this.labelOf.get(mac)]
    if (known === undefined && other === undefined)
      return new Labels(new Map([...this.macOf, [label, mac]]), new Map([...this.labelOf, [mac, label]]))
    return known === mac && other === label ? this : undefined
  }
}

/** A write as a recording has it: server's fields and conditions left out. */
export interface Plain {
  readonly verb: string
  readonly path: string
  readonly contentType?: string
  readonly body?: unknown
}

export function pathOf({ kind, name, namespace }: ObjectRef): string {
  const { apiVersion, plural } = KINDS[kind]
  const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`
  return `${root}${namespace === undefined ? '' : `/namespaces/${namespace}`}/${plural}/${name}`
}

const refOf = ({ kind, metadata }: KubeObject): ObjectRef => ({
  kind: kind as ObjectRef['kind'],
  name: metadata.name,
  ...(metadata.namespace === undefined ? {} : { namespace: metadata.namespace }),
})

export function plain(write: Write): Plain {
  switch (write.verb) {
    case 'create':
      return {
        verb: 'create',
        path: pathOf(refOf(write.object)).replace(/\/[^/]*$/, ''),
        body: withoutServerFields(write.object),
      }
    case 'update':
      return { verb: 'update', path: pathOf(refOf(write.object)), body: bodyOf(write.object) }
    case 'labels':
      return {
        verb: 'patch',
        path: pathOf(write.ref),
        contentType: 'application/json-patch+json',
        body: [{ op: 'replace', path: '/metadata/labels', value: write.labels }],
      }
    case 'merge':
      return {
        verb: 'patch',
        path: `${pathOf(write.ref)}${write.subresource === undefined ? '' : `/${write.subresource}`}`,
        contentType: 'application/merge-patch+json',
        body: withoutServerFields(write.patch),
      }
    case 'delete':
      return { verb: 'delete', path: pathOf(write.ref) }
    default:
      throw new Error(`no such write: ${JSON.stringify(write satisfies never)}`)
  }
}

const plainOf = new WeakMap<RecordedStep, Plain>()

/** The write of a recorded step in the same form. */
export function wanted(step: RecordedStep): Plain {
  const known = plainOf.get(step)
  if (known !== undefined) return known
  const { verb, path = '', contentType, body } = step
  const write: Plain = {
    verb,
    path,
    ...(contentType === undefined || contentType === null ? {} : { contentType }),
    ...(body === undefined || body === null
      ? {}
      : { body: Array.isArray(body) ? body : withoutServerFields(body) }),
  }
  plainOf.set(step, write)
  return write
}

/** The controller's client sends a Subnet that it read as it came: without its type. */
function bodyOf(object: KubeObject): unknown {
  const body = withoutServerFields(object) as Partial<KubeObject>
  if (object.kind !== 'Subnet') return body
  const { apiVersion: _a, kind: _k, ...rest } = body
  return rest
}

const SERVER_FIELDS = ['uid', 'resourceVersion', 'generation', 'creationTimestamp', 'deletionTimestamp']

/** Without what differs from run to run, and without what says nothing: empty maps, absent values. */
export function withoutServerFields(value: unknown): unknown {
  const object = structuredClone(value) as { metadata?: Record<string, unknown>; status?: unknown }
  for (const field of [...SERVER_FIELDS, 'managedFields', 'deletionGracePeriodSeconds'])
    delete object.metadata?.[field]
  for (const owner of (object.metadata?.ownerReferences ?? []) as { uid?: string }[]) delete owner.uid
  if (typeof object.status === 'object' && object.status !== null) {
    delete (object.status as { conditions?: unknown }).conditions
    if ('kind' in object) delete object.status
  }
  return object
}

/** Whether the run's value is the recorded one. @returns the labels known afterwards, or undefined */
export function unify(want: unknown, got: unknown, labels: Labels): Labels | undefined {
  if (typeof want === 'string' && typeof got === 'string') return unifyText(want, got, labels)
  if (Array.isArray(want) && Array.isArray(got)) {
    if (want.length !== got.length) return undefined
    return want.reduce<Labels | undefined>(
      (known, item, index) => known && unify(item, got[index], known),
      labels,
    )
  }
  if (isObject(want) && isObject(got)) {
    const keys = Object.keys(want)
    if (keys.length !== Object.keys(got).length) return undefined
    return keys.reduce<Labels | undefined>(
      (known, key) => (known && key in got ? unify(want[key], got[key], known) : undefined),
      labels,
    )
  }
  return want === got ? labels : undefined
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function unifyText(want: string, got: string, labels: Labels): Labels | undefined {
  const label = /^mac-\d+/.exec(want)?.[0]
  if (label === undefined) return want === got ? labels : undefined
  const mac = got.slice(0, 17)
  if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(mac) || want.slice(label.length) !== got.slice(17))
    return undefined
  return labels.with(label, mac)
}
