import type { TestProject } from 'vitest/node'
import { startApiServer } from '../../infra/peers/apiserver.ts'
import { installCrds } from '../../infra/peers/crds.ts'
import { startNorthbound } from '../../infra/peers/ovn.ts'
import { startRelay } from '../../infra/peers/relay.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** A real API server as seen from workerd. */
    peer: { readonly url: string; readonly token: string }
    /** Remotes of a real Northbound database. */
    northbound: string
  }
}

/** Outside workerd, where processes can be started: an API server and the relay to it, and an OVN database. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const started: (() => Promise<void>)[] = []
  const stop = async () => {
    for (const end of started.reverse()) await end()
  }
  try {
    const api = await startApiServer()
    started.push(() => api.stop())
    const relay = await startRelay(api)
    started.push(() => relay.stop())
    await installCrds(api)
    project.provide('peer', { url: relay.url, token: api.tokens.admin })
    const northbound = await startNorthbound()
    started.push(() => northbound.stop())
    project.provide('northbound', northbound.remotes)
    return stop
  } catch (error) {
    await stop()
    throw error
  }
}
