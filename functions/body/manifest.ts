import type { KubeObject, ObjectMeta } from '../../shared/cluster/port.ts'
import { type Problem, problem, problemOf } from '../../shared/problem.ts'
import { err, ok, type Result } from '../../shared/result.ts'
import { check, finding } from '../schema/findings.ts'
import { type IpPoolManifest, ipPoolManifest } from '../schema/ippool.ts'
import { type OwnerManifest, ownerManifest } from '../schema/owner.ts'
import { type SubnetManifest, subnetManifest } from '../schema/subnet.ts'

/** What the path says a manifest is. */
export interface Identity {
  readonly apiVersion: string
  readonly kind: string
  readonly name: string
  readonly namespace?: string
}

/** The Subnet manifest of a PUT; its name is the path's. Fields Berth does not know are left out. */
export function readSubnet(documents: readonly unknown[], name: string): Result<KubeObject, Problem> {
  return readKubeOvn(subnetManifest, documents, { apiVersion: 'kubeovn.io/v1', kind: 'Subnet', name })
}

/** The same for an IPPool. */
export function readIpPool(documents: readonly unknown[], name: string): Result<KubeObject, Problem> {
  return readKubeOvn(ipPoolManifest, documents, { apiVersion: 'kubeovn.io/v1', kind: 'IPPool', name })
}

function readKubeOvn(
  schema: typeof subnetManifest | typeof ipPoolManifest,
  documents: readonly unknown[],
  identity: Identity,
): Result<KubeObject, Problem> {
  const [document] = documents
  if (documents.length !== 1) return err(oneDocument())
  const parsed = check(schema, document)
  if (!parsed.ok) return err(problemOf(parsed.error))
  const other = otherIdentity(parsed.value, identity)
  if (other) return err(other)
  const { metadata, spec } = parsed.value
  return storable({
    apiVersion: identity.apiVersion,
    kind: identity.kind,
    metadata: metaOf(metadata, identity),
    spec: withoutEmpty(spec),
  })
}

/** The manifest of an owner, or the least object that has the path's identity. */
export function readOwner(documents: readonly unknown[], identity: Identity): Result<KubeObject, Problem> {
  if (documents.length > 1) return err(oneDocument())
  const parsed = check(ownerManifest, documents[0] ?? {})
  if (!parsed.ok) return err(problemOf(parsed.error))
  const other = otherIdentity(parsed.value, identity)
  if (other) return err(other)
  const { metadata, spec, status } = parsed.value
  const { finalizers, ownerReferences } = metadata ?? {}
  return storable({
    apiVersion: identity.apiVersion,
    kind: identity.kind,
    metadata: {
      ...metaOf(metadata, identity),
      ...(finalizers?.length ? { finalizers } : {}),
      ...(ownerReferences?.length
        ? {
            ownerReferences: ownerReferences.map(({ controller, ...reference }) => ({
              ...reference,
              ...(controller === undefined ? {} : { controller }),
            })),
          }
        : {}),
    },
    ...(spec ? { spec } : {}),
    ...(status ? { status } : {}),
  })
}

/** As etcd's default request limit, less what the server adds. YAML's escapes can make more of a body than it was. */
const OBJECT_LIMIT_BYTES = 1.5 * 1024 * 1024 - 4096

function storable(object: KubeObject): Result<KubeObject, Problem> {
  if (new TextEncoder().encode(JSON.stringify(object)).length <= OBJECT_LIMIT_BYTES) return ok(object)
  return err(problem('too_large', `an object may have ${OBJECT_LIMIT_BYTES} bytes`, { field: 'body' }))
}

function oneDocument(): Problem {
  return problem('invalid_field', 'the body must be one manifest', { field: 'body' })
}

/** What a manifest says of itself must not contradict its path. */
function otherIdentity(
  manifest: SubnetManifest | IpPoolManifest | OwnerManifest,
  identity: Identity,
): Problem | undefined {
  const said: readonly (readonly [string[], string | null | undefined, string | undefined])[] = [
    [['apiVersion'], manifest.apiVersion, identity.apiVersion],
    [['kind'], manifest.kind, identity.kind],
    [['metadata', 'name'], manifest.metadata?.name, identity.name],
    [
      ['metadata', 'namespace'],
      manifest.metadata?.namespace,
      identity.namespace ?? manifest.metadata?.namespace ?? undefined,
    ],
  ]
  const findings = said.flatMap(([at, value, wanted]) =>
    value && value !== wanted ? [finding('invalid_field', at, `must be "${wanted}", as in the path`)] : [],
  )
  return findings.length > 0 ? problemOf(findings) : undefined
}

function metaOf(metadata: SubnetManifest['metadata'], { name, namespace }: Identity): ObjectMeta {
  const { labels, annotations } = metadata ?? {}
  return {
    name,
    ...(namespace === undefined ? {} : { namespace }),
    ...(labels ? { labels: texts(labels) } : {}),
    ...(annotations ? { annotations: texts(annotations) } : {}),
  }
}

function texts(values: Readonly<Record<string, string | null>>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, value ?? '']))
}

/** Absent, null and "" are the same, so only what says something is kept. */
function withoutEmpty(spec: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(spec).filter(([, value]) => value !== undefined && value !== null && value !== ''),
  )
}
