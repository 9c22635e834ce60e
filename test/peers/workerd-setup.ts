import type { TestProject } from 'vitest/node'
import { startApiServer } from '../../infra/peers/apiserver.ts'
import { installCrds } from '../../infra/peers/crds.ts'
import { startRelay } from '../../infra/peers/relay.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** A real API server as seen from workerd. */
    peer: { readonly url: string; readonly token: string }
  }
}

/** Outside workerd, where processes can be started: an API server and the relay to it. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const api = await startApiServer()
  const relay = await startRelay(api)
  const stop = async () => {
    await relay.stop()
    await api.stop()
  }
  try {
    await installCrds(api)
    project.provide('peer', { url: relay.url, token: api.tokens.admin })
    return stop
  } catch (error) {
    await stop()
    throw error
  }
}
