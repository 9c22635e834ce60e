import type { RouteConfig } from '@hono/zod-openapi'
import type { H } from 'hono/types'
import type { Door, DoorApp } from './door.ts'
import { methodNotAllowed } from './middleware/problem.ts'

/**
 * One operation: its documentation goes into /openapi.json, its handlers to its path. The library's own validators are
 * left out, for bodies are read with limits they do not know; the schemas in the documentation are the ones that parse.
 */
export function mount(app: DoorApp, route: RouteConfig, ...handlers: H<Door>[]): void {
  app.openAPIRegistry.registerPath(route)
  app.on([route.method.toUpperCase()], [honoPath(route.path)], ...handlers)
}

/** To be called last: every other method on a path that exists is 405. */
export function closeMethods(app: DoorApp): void {
  const methods = new Map<string, string[]>()
  for (const definition of app.openAPIRegistry.definitions) {
    if (definition.type !== 'route') continue
    const path = honoPath(definition.route.path)
    methods.set(path, [...(methods.get(path) ?? []), definition.route.method])
  }
  for (const [path, allowed] of methods) app.all(path, methodNotAllowed(allowed))
}

/** `{name}` of OpenAPI is `:name` of Hono. */
function honoPath(path: string): string {
  return path.replaceAll(/\{(\w+)\}/g, ':$1')
}
