/**
 * What is used of @kubernetes/client-node: what it generates for custom objects, in its two halves, requests from
 * arguments and results from replies. The package's own entry, and the one of its generated part, bring every API of
 * Kubernetes (17 MB of source), kubeconfig files, exec, copy and proxies, which a Worker cannot use and would carry.
 */
export {
  CustomObjectsApiRequestFactory,
  CustomObjectsApiResponseProcessor,
} from '@kubernetes/client-node/dist/gen/apis/CustomObjectsApi.js'
export { ApiException } from '@kubernetes/client-node/dist/gen/apis/exception.js'
export { createConfiguration } from '@kubernetes/client-node/dist/gen/configuration.js'
export {
  type PromiseHttpLibrary,
  type RequestContext,
  ResponseContext,
} from '@kubernetes/client-node/dist/gen/http/http.js'
export { ServerConfiguration } from '@kubernetes/client-node/dist/gen/servers.js'
