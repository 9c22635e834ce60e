import { inject } from 'vitest'
import { systemClock } from '../../shared/clock.ts'
import { kubernetesPort } from '../../shared/cluster/kubernetes/port.ts'
import { systemHttp } from '../../shared/http.ts'
import { clusterContract } from '../cluster/contract.ts'
import type {} from './workerd-setup.ts'

clusterContract('kubernetes port inside workerd on a real API server', async () => {
  const { url, token } = inject('peer')
  return { port: kubernetesPort({ http: systemHttp, url, token: () => token, clock: systemClock }) }
})
