import { startApiServer } from '../../infra/peers/apiserver.ts'
import { installCrds } from '../../infra/peers/crds.ts'
import { systemClock } from '../../shared/clock.ts'
import { kubernetesPort } from '../../shared/cluster/kubernetes/port.ts'
import { clusterContract } from '../cluster/contract.ts'

clusterContract('kubernetes port on a real API server', async () => {
  const api = await startApiServer()
  await installCrds(api)
  const port = kubernetesPort({
    http: api.http,
    url: api.url,
    token: () => api.tokens.admin,
    clock: systemClock,
  })
  return { port, close: () => api.stop() }
})
