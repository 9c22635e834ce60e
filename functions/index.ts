import { systemClock } from '../shared/clock.ts'
import { consoleLog } from '../shared/log.ts'
import { systemRandom } from '../shared/random.ts'
import { createApp } from './app.ts'
import { clusterNames, DEFAULT_CLUSTER, spacesOf } from './clusters.ts'
import { berthOf, callersOf, clusterOf, type Env, envOf, hookPortsOf, misreadIn, scheduled } from './env.ts'
import { prefixOf } from './in-cluster.ts'
import { accessOf, admissionSecretOf } from './settings.ts'
import { timely } from './timely.ts'
import { VERSION } from './version.ts'

export { Access } from './objects/access.ts'
export { Cluster } from './objects/cluster.ts'
export { Events } from './objects/events.ts'
export { Hook } from './objects/hook.ts'
export { SharedSpace } from './objects/shared-space.ts'
export { Subnet } from './objects/subnet.ts'

/** Put into the bindings by the entrypoint below; no variable can have this name. */
const PROVEN = Symbol('the API server has shown its certificate')

const app = createApp<Env & { readonly [PROVEN]?: true }>((c) => timely(berthOf(c.env), systemClock), {
  log: consoleLog,
  random: systemRandom,
  version: VERSION,
  access: (c) => accessOf(c.env),
  misread: (c) => misreadIn(c.env),
  clusters: {
    names: (c) => clusterNames(c.env),
    spaces: (c) => spacesOf(c.env),
    bindings: (c, name) => (name === DEFAULT_CLUSTER ? undefined : envOf(c.env, name)),
    prefix: (c) => (clusterOf(c.env) === DEFAULT_CLUSTER ? '' : prefixOf(clusterOf(c.env))),
  },
  callers: (c) => callersOf(c.env),
  hooks: (c) => hookPortsOf(c.env),
  assets: (c) => c.env.ASSETS,
  admission: {
    secret: (c) => admissionSecretOf(c.env),
    certificate: (c) => c.env[PROVEN] === true,
  },
})

export default {
  fetch: app.fetch,
  scheduled: (_, env) => scheduled(env),
} satisfies ExportedHandler<Env>

/**
 * For the socket of plain workerd that takes only connections with a client certificate (infra/workerd): whoever comes
 * in here has proven to be the API server. Nothing but the admission door is behind it.
 */
export const apiServer: ExportedHandler<Env> = {
  fetch: (request, env, context) =>
    new URL(request.url).pathname.startsWith('/admission/')
      ? app.fetch(request, { ...env, [PROVEN]: true }, context)
      : new Response(null, { status: 404 }),
}
