import { inject } from 'vitest'
import { workerdTcp } from '../../shared/ovn/ovsdb/sockets.ts'
import { ovnContract } from '../ovn/contract.ts'
import type {} from './workerd-setup.ts'

ovnContract('OVN port inside workerd on a real ovsdb-server', async () => ({
  tcp: workerdTcp(),
  remotes: inject('northbound'),
}))
