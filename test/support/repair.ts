import type { FreshIp, Picture } from '../../shared/command/repair/types.ts'
import { FINALIZER } from '../../shared/kube-ovn/names.ts'
import type { SubnetCounters } from '../../shared/kube-ovn/subnet-status.ts'
import type { LeaseView } from '../../shared/ledger/port.ts'

export const MAC = '02:00:00:00:00:01'

/** A bound reservation, web.default with 10.16.0.5. */
export const lease = (more: Partial<LeaseView> = {}): LeaseView => ({
  id: `res_${more.name ?? 'web.default'}`,
  state: 'bound',
  contested: false,
  cluster: 'default',
  subnet: 'blue',
  provider: 'ovn',
  name: 'web.default',
  namespace: 'default',
  podName: 'web',
  podType: '',
  v4: '10.16.0.5',
  v6: '',
  mac: MAC,
  pool: '',
  epoch: 2,
  operation: 'op_1',
  origin: 'op_1',
  originEpoch: 1,
  uid: 'uid-web',
  resourceVersion: '10',
  createdAt: 0,
  ...more,
})

/** Its object, whole. */
export const object = (more: Partial<FreshIp> = {}): FreshIp => ({
  name: 'web.default',
  uid: 'uid-web',
  resourceVersion: '10',
  createdAt: '2026-10-01T12:00:00Z',
  namespace: 'default',
  podName: 'web',
  podType: '',
  v4IpAddress: '10.16.0.5',
  v6IpAddress: '',
  ipAddress: '10.16.0.5',
  macAddress: MAC,
  reserved: 'true',
  finalizers: [FINALIZER],
  terminating: false,
  force: false,
  operation: 'op_1',
  epoch: 1,
  reason: '',
  subnet: 'blue',
  subnetLabel: 'blue',
  ...more,
})

/** Somebody else's object with an address, by a name of its own. */
export const theirs = (podName: string, address: string, more: Partial<FreshIp> = {}): FreshIp =>
  object({
    name: `${podName}.default`,
    uid: `uid-${podName}`,
    podName,
    v4IpAddress: address,
    ipAddress: address,
    macAddress: '',
    reserved: 'false',
    operation: '',
    epoch: 0,
    ...more,
  })

/** The row a ledger keeps of it. */
export const foreign = (podName: string, address: string): LeaseView =>
  lease({
    name: `${podName}.default`,
    podName,
    state: 'foreign',
    v4: address,
    mac: '',
    uid: `uid-${podName}`,
    operation: '',
    origin: '',
  })

export const COUNTERS: SubnetCounters = {
  v4availableIPs: 65_533n,
  v4usingIPs: 1n,
  v6availableIPs: 0n,
  v6usingIPs: 0n,
  v4availableIPrange: '10.16.0.2-10.16.0.4,10.16.0.6-10.16.255.254',
  v4usingIPrange: '10.16.0.5',
  v6availableIPrange: '',
  v6usingIPrange: '',
}

/** Ledger and cluster that agree, but for what is named. */
export const pictureOf = (more: Partial<Picture> = {}): Picture => ({
  subnet: 'blue',
  version: '100',
  isInside: (address) => address.startsWith('10.16.'),
  leases: [lease()],
  objects: [object()],
  pods: [],
  ports: [],
  excludeIps: ['10.16.0.1'],
  authority: 'alone',
  mirrored: true,
  ...more,
})
