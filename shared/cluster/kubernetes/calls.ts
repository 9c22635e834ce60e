import type { ClusterRequest, KubeObject, ListOptions, ObjectRef } from '../port.ts'
import {
  CustomObjectsApiRequestFactory,
  CustomObjectsApiResponseProcessor,
  createConfiguration,
  type PromiseHttpLibrary,
  type RequestContext,
  ServerConfiguration,
} from './client.ts'
import { isRecord } from './evidence.ts'
import { corePath, resourceOf } from './paths.ts'

/** Says in managedFields who wrote. */
const FIELD_MANAGER = 'berth'

export interface ListQuery {
  readonly kind: ObjectRef['kind']
  readonly namespace?: string
  readonly labelSelector?: string
  readonly fieldSelector?: string
  readonly limit?: number
  readonly continue?: ListOptions['continue']
}

/**
 * The generated client for custom objects, which serves every kind, Pods and StatefulSets too: its results are the
 * replies' own JSON. The typed APIs (CoreV1Api, AppsV1Api) would drop fields they do not know and make Dates of times,
 * so that what was read could not be written back unchanged.
 *
 * Results are parsed and unchecked. Throws ApiException for other codes than 2xx, and what the library throws.
 */
export class Calls {
  readonly #requests: CustomObjectsApiRequestFactory
  readonly #results = new CustomObjectsApiResponseProcessor()

  constructor(url: string) {
    this.#requests = new CustomObjectsApiRequestFactory(
      createConfiguration({ baseServer: new CoreAwareServer(url, {}) }),
    )
  }

  async send(request: ClusterRequest, library: PromiseHttpLibrary): Promise<unknown> {
    switch (request.verb) {
      case 'get':
        return this.#get(request.ref, library)
      case 'create':
        return this.#create(request.object, request.dryRun === true ? 'All' : undefined, library)
      case 'replace':
        return this.#replace(request.object, library)
      case 'patch':
        return this.#patch(request, withVersion(request.patch, request.resourceVersion), library)
      case 'delete':
        return this.#delete(request.ref, { preconditions: { uid: request.uid } }, library)
    }
  }

  /** One page. Without a namespace the path is the same for both scopes. */
  async list(query: ListQuery, library: PromiseHttpLibrary): Promise<unknown> {
    const { group, version, plural } = resourceOf(query.kind)
    const labels = query.labelSelector || undefined
    const context =
      query.namespace === undefined
        ? await this.#requests.listClusterCustomObject(
            ...([group, version, plural] as const),
            ...([undefined, undefined, query.continue, query.fieldSelector, labels, query.limit] as const),
          )
        : await this.#requests.listNamespacedCustomObject(
            ...([group, version, query.namespace, plural] as const),
            ...([undefined, undefined, query.continue, query.fieldSelector, labels, query.limit] as const),
          )
    return (await this.#results.listClusterCustomObjectWithHttpInfo(await library.send(context))).data
  }

  async #get({ kind, name, namespace }: ObjectRef, library: PromiseHttpLibrary): Promise<unknown> {
    const { group, version, plural } = resourceOf(kind)
    const context = namespace
      ? await this.#requests.getNamespacedCustomObject(group, version, namespace, plural, name)
      : await this.#requests.getClusterCustomObject(group, version, plural, name)
    return (await this.#results.getClusterCustomObjectWithHttpInfo(await library.send(context))).data
  }

  async #create(
    object: KubeObject,
    dryRun: string | undefined,
    library: PromiseHttpLibrary,
  ): Promise<unknown> {
    const { kind, namespace } = refOf(object)
    const { group, version, plural } = resourceOf(kind)
    const options = [undefined, dryRun, FIELD_MANAGER] as const
    const context = namespace
      ? await this.#requests.createNamespacedCustomObject(
          group,
          version,
          namespace,
          plural,
          object,
          ...options,
        )
      : await this.#requests.createClusterCustomObject(group, version, plural, object, ...options)
    return (await this.#results.createClusterCustomObjectWithHttpInfo(await library.send(context))).data
  }

  async #replace(object: KubeObject, library: PromiseHttpLibrary): Promise<unknown> {
    const { kind, name, namespace } = refOf(object)
    const { group, version, plural } = resourceOf(kind)
    const options = [object, undefined, FIELD_MANAGER] as const
    const context = namespace
      ? await this.#requests.replaceNamespacedCustomObject(
          group,
          version,
          namespace,
          plural,
          name,
          ...options,
        )
      : await this.#requests.replaceClusterCustomObject(group, version, plural, name, ...options)
    return (await this.#results.replaceClusterCustomObjectWithHttpInfo(await library.send(context))).data
  }

  async #patch(
    { ref: { kind, name, namespace }, subresource }: Extract<ClusterRequest, { verb: 'patch' }>,
    patch: object,
    library: PromiseHttpLibrary,
  ): Promise<unknown> {
    const { group, version, plural } = resourceOf(kind)
    const options = [patch, undefined, FIELD_MANAGER] as const
    const requests = this.#requests
    let context: RequestContext
    if (namespace) {
      const at = [group, version, namespace, plural, name] as const
      context = subresource
        ? await requests.patchNamespacedCustomObjectStatus(...at, ...options)
        : await requests.patchNamespacedCustomObject(...at, ...options)
    } else {
      const at = [group, version, plural, name] as const
      context = subresource
        ? await requests.patchClusterCustomObjectStatus(...at, ...options)
        : await requests.patchClusterCustomObject(...at, ...options)
    }
    // It says json-patch for every patch.
    context.setHeaderParam('Content-Type', 'application/merge-patch+json')
    return (await this.#results.patchClusterCustomObjectWithHttpInfo(await library.send(context))).data
  }

  async #delete(
    { kind, name, namespace }: ObjectRef,
    body: object,
    library: PromiseHttpLibrary,
  ): Promise<unknown> {
    const { group, version, plural } = resourceOf(kind)
    const options = [undefined, undefined, undefined, undefined, body] as const
    const context = namespace
      ? await this.#requests.deleteNamespacedCustomObject(group, version, namespace, plural, name, ...options)
      : await this.#requests.deleteClusterCustomObject(group, version, plural, name, ...options)
    return (await this.#results.deleteClusterCustomObjectWithHttpInfo(await library.send(context))).data
  }
}

class CoreAwareServer extends ServerConfiguration<Record<string, string>> {
  override makeRequestContext(
    ...[endpoint, method]: Parameters<ServerConfiguration<Record<string, string>>['makeRequestContext']>
  ) {
    return super.makeRequestContext(corePath(endpoint), method)
  }
}

/** The ref of an object as its own members tell it. */
export function refOf({ kind, metadata: { name, namespace } }: KubeObject): ObjectRef {
  return { kind: kind as ObjectRef['kind'], name, ...(namespace ? { namespace } : {}) }
}

/** A merge patch that names the version it was made for is refused where another one is stored. */
function withVersion(patch: unknown, resourceVersion: string): object {
  const whole = isRecord(patch) ? patch : {}
  const metadata = isRecord(whole.metadata) ? whole.metadata : {}
  return { ...whole, metadata: { ...metadata, resourceVersion } }
}
