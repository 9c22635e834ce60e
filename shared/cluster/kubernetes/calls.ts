import {
  CustomObjectsApi,
  createConfiguration,
  ServerConfiguration,
  wrapHttpLibrary,
} from '@kubernetes/client-node'
import type { ClusterRequest, KubeObject, ListOptions, ObjectRef } from '../port.ts'
import { isRecord } from './evidence.ts'
import { corePath, resourceOf } from './paths.ts'
import type { Transport } from './transport.ts'

/** Says in managedFields who wrote. */
const FIELD_MANAGER = 'berth'

/**
 * The generated client over our transport. CustomObjectsApi serves every kind, Pods and StatefulSets too: its replies
 * are the JSON itself. The typed APIs (CoreV1Api, AppsV1Api) would drop fields they do not know and make Dates of
 * times, so that what was read could not be written back unchanged.
 */
export function generatedApi(transport: Transport, url: string, limitMs: number): CustomObjectsApi {
  return new CustomObjectsApi(
    createConfiguration({
      baseServer: new CoreAwareServer(url, {}),
      httpApi: wrapHttpLibrary(transport.library(limitMs)),
    }),
  )
}

class CoreAwareServer extends ServerConfiguration<Record<string, string>> {
  override makeRequestContext(
    ...[endpoint, method]: Parameters<ServerConfiguration<never>['makeRequestContext']>
  ) {
    return super.makeRequestContext(corePath(endpoint), method)
  }
}

/** Sends one request and gives the parsed reply, unchecked. Throws what the client or the transport throws. */
export async function call(api: CustomObjectsApi, request: ClusterRequest): Promise<unknown> {
  switch (request.verb) {
    case 'get': {
      const at = placeOf(request.ref)
      return at.namespace === undefined
        ? api.getClusterCustomObject(at)
        : api.getNamespacedCustomObject(namespaced(at))
    }
    case 'create': {
      const at = {
        ...placeOf(refOf(request.object)),
        body: request.object,
        fieldManager: FIELD_MANAGER,
        ...(request.dryRun === true ? { dryRun: 'All' } : {}),
      }
      return at.namespace === undefined
        ? api.createClusterCustomObject(at)
        : api.createNamespacedCustomObject(namespaced(at))
    }
    case 'replace': {
      const at = { ...placeOf(refOf(request.object)), body: request.object, fieldManager: FIELD_MANAGER }
      return at.namespace === undefined
        ? api.replaceClusterCustomObject(at)
        : api.replaceNamespacedCustomObject(namespaced(at))
    }
    case 'patch': {
      const body = withVersion(request.patch, request.resourceVersion)
      const at = { ...placeOf(request.ref), body, fieldManager: FIELD_MANAGER }
      return at.namespace === undefined
        ? api.patchClusterCustomObject(at)
        : api.patchNamespacedCustomObject(namespaced(at))
    }
    case 'delete': {
      const at = { ...placeOf(request.ref), body: { preconditions: { uid: request.uid } } }
      return at.namespace === undefined
        ? api.deleteClusterCustomObject(at)
        : api.deleteNamespacedCustomObject(namespaced(at))
    }
  }
}

/** One page of a list, unchecked. */
export async function callList(
  api: CustomObjectsApi,
  kind: ObjectRef['kind'],
  options: Omit<ListOptions, 'labelSelector'> & { readonly labelSelector?: string },
): Promise<unknown> {
  const { group, version, plural } = resourceOf(kind)
  const { namespace, limit, labelSelector } = options
  const query = {
    group,
    version,
    ...(limit === undefined ? {} : { limit }),
    ...(labelSelector ? { labelSelector } : {}),
    ...(options.continue === undefined ? {} : { _continue: options.continue }),
  }
  // Without a namespace the path is the same for both scopes.
  return namespace === undefined
    ? api.listClusterCustomObject({ ...query, plural })
    : api.listNamespacedCustomObject({ ...query, plural, namespace })
}

/** The ref of an object as its own members tell it. */
export function refOf({ kind, metadata: { name, namespace } }: KubeObject): ObjectRef {
  return { kind: kind as ObjectRef['kind'], name, ...(namespace ? { namespace } : {}) }
}

interface Place {
  readonly group: string
  readonly version: string
  readonly plural: string
  readonly name: string
  readonly namespace?: string
}

function placeOf({ kind, name, namespace }: ObjectRef): Place {
  return { ...resourceOf(kind), name, ...(namespace ? { namespace } : {}) }
}

function namespaced<P extends Place>(at: P): P & { namespace: string } {
  return { ...at, namespace: at.namespace ?? '' }
}

/** A merge patch that names the version it was made for is refused where another one is stored. */
function withVersion(patch: unknown, resourceVersion: string): unknown {
  const whole = isRecord(patch) ? patch : {}
  const metadata = isRecord(whole.metadata) ? whole.metadata : {}
  return { ...whole, metadata: { ...metadata, resourceVersion } }
}
