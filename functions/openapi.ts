import type { DoorApp } from './door.ts'
import { mount } from './mount.ts'
import { replyJson } from './reply/json.ts'
import { ANY_CALL, refusals } from './schema/problem.ts'

const route = {
  method: 'get',
  path: '/openapi.json',
  summary: 'This description',
  responses: {
    200: { description: 'OpenAPI 3.1.', content: { 'application/json': { schema: { type: 'object' } } } },
    ...refusals(...ANY_CALL),
  },
} as const

export interface OpenApiOptions {
  readonly version: string
}

/** GET /openapi.json, made from the schemas that parse when first asked for. */
export function mountOpenApi(app: DoorApp, { version }: OpenApiOptions): void {
  let document: unknown
  mount(app, route, (c) => {
    document ??= describe(app, version)
    return replyJson(c, document)
  })
}

function describe(app: DoorApp, version: string): unknown {
  return app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'Berth',
      version,
      description:
        'Reserved IP addresses for Kube-OVN. A reservation made here is there before its Pod, stays when the Pod goes, and ends only when somebody releases it. Fields named in problems are spelled as the caller wrote them: spec.v4IpAddress, items[3].subnet, [1].spec.subnet in the second of several YAML documents, body for the whole body, or the name of a parameter or header.',
      license: { name: 'Apache-2.0' },
    },
    servers: [
      { url: '/' },
      {
        url: '/clusters/{cluster}',
        description: 'A further cluster.',
        variables: { cluster: { default: 'west' } },
      },
    ],
  })
}
