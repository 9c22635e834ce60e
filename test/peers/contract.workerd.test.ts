import { inject } from 'vitest'
import { systemHttp } from '../../functions/system-http.ts'
import { systemClock } from '../../shared/clock.ts'
import { kubernetesPort } from '../../shared/cluster/kubernetes/port.ts'
import { clusterContract } from '../cluster/contract.ts'
import type {} from './workerd-setup.ts'

clusterContract('kubernetes port inside workerd on a real API server', async () => {
  const { url, token } = inject('peer')
  return { port: kubernetesPort({ http: systemHttp, url, token: () => token, clock: systemClock }) }
})
