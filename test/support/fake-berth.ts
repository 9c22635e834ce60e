import { createApp } from '../../functions/app.ts'
import type { Berth, PartStatus } from '../../functions/berth.ts'
import type { Assets } from '../../functions/docs.ts'
import type { AccessMode } from '../../functions/middleware/access.ts'
import { systemClock } from '../../shared/clock.ts'
import { allowed } from '../../shared/command/admission/types.ts'
import type { Reservation, ReserveItem, SubnetView } from '../../shared/command/types.ts'
import { ipObject } from '../../shared/kube-ovn/ip-object.ts'
import type { Log } from '../../shared/log.ts'
import { ok } from '../../shared/result.ts'
import { seededRandom } from './random.ts'

/** One call that reached the core. */
export interface Recorded {
  readonly verb: keyof Berth
  readonly with: readonly unknown[]
}

/** A Berth that notes every call and grants everything, unless a verb is replaced. */
export class FakeBerth {
  readonly calls: Recorded[] = []
  readonly berth: Berth

  constructor(replaced: Partial<Berth> = {}) {
    const answers = { ...GRANTS, ...replaced }
    const noting = <V extends keyof Berth>(verb: V): Berth[V] =>
      ((...args: unknown[]) => {
        this.calls.push({ verb, with: args })
        return (answers[verb] as (...args: unknown[]) => unknown)(...args)
      }) as Berth[V]
    this.berth = Object.fromEntries(
      (Object.keys(GRANTS) as (keyof Berth)[]).map((verb) => [verb, noting(verb)]),
    ) as unknown as Berth
  }
}

export interface FakeDoor {
  readonly fake: FakeBerth
  readonly app: { fetch(request: Request): Response | Promise<Response> }
  readonly logged: { level: string; event: string; fields: unknown }[]
}

/** The real door over a fake core. */
export function fakeDoor(
  replaced: Partial<Berth> = {},
  access: AccessMode = 'loopback-anonymous',
  assets?: Assets,
  admission: { readonly secret?: string; readonly certificate?: boolean } = {},
  misread: readonly string[] = [],
): FakeDoor {
  const fake = new FakeBerth(replaced)
  const logged: FakeDoor['logged'] = []
  const log: Log = { write: (level, event, fields) => logged.push({ level, event, fields }) }
  const app = createApp<object>(() => fake.berth, {
    log,
    random: seededRandom(1),
    version: '0.0.0-test',
    access: () => access,
    misread: () => misread,
    assets: () => assets,
    admission: { secret: () => admission.secret, certificate: () => admission.certificate ?? false },
    hooks: () => ({
      cluster: 'default',
      chat: { entries: [] },
      git: [],
      events: NO_EVENTS,
      box: NO_BOX,
      boxOf: () => NO_BOX,
      clock: systemClock,
      http: NO_HTTP,
      log,
    }),
  })
  return { fake, logged, app: { fetch: (request) => app.fetch(request, {}) } }
}

const refuse = async () => {
  throw new Error('nobody should ask')
}
const NO_BOX = { claim: refuse, settle: refuse, later: refuse, drop: refuse, document: refuse }
const NO_EVENTS = {
  on: false,
  subscribers: [],
  senders: [],
  box: { accept: refuse, after: refuse, range: refuse, deadLetters: refuse },
}
const NO_HTTP = { fetch: refuse }

/** A bound reservation of what was wished; automatic addresses count up from 10.16.0.10. */
export function granted(item: ReserveItem, index = 0): Reservation {
  const v4IpAddress = item.v4IpAddress ?? `10.16.0.${10 + index}`
  const content = {
    name: item.name ?? `${item.podName}.${item.namespace}`,
    subnet: item.subnet,
    namespace: item.namespace,
    podName: item.podName,
    podType: item.podType,
    v4IpAddress,
    v6IpAddress: item.v6IpAddress ?? '',
    macAddress: item.macAddress ?? '00:00:00:4d:b4:36',
    operation: 'op_1_default~ovn-default',
    epoch: 1,
  }
  return {
    id: `res_${index}`,
    state: 'bound',
    name: content.name,
    subnet: item.subnet,
    cluster: 'default',
    owner: { namespace: item.namespace, name: item.podName, kind: item.podType, provider: 'ovn' },
    v4IpAddress,
    v6IpAddress: content.v6IpAddress,
    macAddress: content.macAddress,
    createdAt: '2026-10-01T12:00:00.000Z',
    ...(item.reason === undefined ? {} : { reason: item.reason }),
    operation: content.operation,
    warnings: [],
    object: ipObject(content, { finalizer: true }),
  }
}

const ITEM: ReserveItem = { subnet: 'ovn-default', namespace: 'default', podName: 'a', podType: '' }

export const SUBNET: SubnetView = {
  name: 'ovn-default',
  cidrBlock: '10.16.0.0/16',
  gateway: '10.16.0.1',
  excludeIps: ['10.16.0.1'],
  protocol: 'IPv4',
  provider: 'ovn',
  vpc: 'ovn-cluster',
  default: true,
  v4usingIPs: 7n,
  v4availableIPs: 65526n,
  v6usingIPs: 0n,
  v6availableIPs: 2n ** 64n,
  ledger: {},
}

const PARTS: readonly PartStatus[] = [{ part: 'ledger', ready: true, detail: 'open' }]

const GRANTS: Berth = {
  reserve: async ({ items }) => ({ kind: 'done', created: true, reservations: items.map(granted) }),
  validate: async ({ items }) => ({ allowed: true, findings: [], preview: items.map(granted) }),
  release: async ({ targets }) => ({
    kind: 'done',
    created: false,
    reservations: targets.map((_target, index) => ({ ...granted(ITEM, index), state: 'free' })),
  }),
  renew: async ({ targets }) => ({
    kind: 'done',
    created: false,
    reservations: targets.map((_target, index) => granted(ITEM, index)),
  }),
  transfer: async () => ({ kind: 'done', created: false, reservations: [granted(ITEM)] }),
  adopt: async (command) =>
    'target' in command
      ? { kind: 'done', created: false, reservations: [granted(ITEM)] }
      : { kind: 'several', reservations: [granted(ITEM)], findings: [] },
  repair: async ({ dryRun }) => ({ kind: 'compared', dryRun, subnets: [] }),
  reservation: async () => ok(granted(ITEM)),
  reservations: async () => ok({ items: [granted(ITEM)], continue: 'next' }),
  audit: async () => ok({ items: [] }),
  zone: async (query) => ok({ ...query, serial: 7, records: [], leftOut: [] }),
  operation: async (id) =>
    ok({
      id,
      tenant: 'anonymous',
      kind: 'reserve',
      state: 'done',
      phase: 'bound',
      reservations: [granted(ITEM)],
      createdAt: '2026-10-01T12:00:00.000Z',
      updatedAt: '2026-10-01T12:00:00.000Z',
    }),
  subnets: async () => ok([SUBNET]),
  subnet: async () => ok(SUBNET),
  putSubnet: async () => ok({ created: true, subnet: SUBNET }),
  deleteSubnet: async () => ok(SUBNET),
  suggest: async () => ok(['10.16.0.2']),
  widenWindow: async (subnet, ranges) =>
    ok({ subnet, window: ranges, excludeIps: ranges, added: ranges, displaced: [] }),
  putOwner: async (object) => ok({ created: true, object }),
  deleteOwner: async ({ kind, namespace, name }) =>
    ok({ apiVersion: 'v1', kind, metadata: { namespace, name } }),
  putPool: async (object) => ok({ created: true, object }),
  deletePool: async (name) => ok({ apiVersion: 'kubeovn.io/v1', kind: 'IPPool', metadata: { name } }),
  ready: async () => PARTS,
  mutateIp: async () => allowed(),
  validateIp: async () => allowed(),
  mutatePod: async () => allowed(),
  validatePod: async () => allowed(),
}
