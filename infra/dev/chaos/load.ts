import { isRepeatable, type Recorder, type Wish } from './client.ts'
import { isSuccess } from './history.ts'
import type { Prng } from './prng.ts'

/** The Subnets of the load. Small ones run full; the last one comes and goes. */
export const SUBNETS = [
  { name: 'ovn-default', cidr: '10.16.0.0/16', v4: '10.16.', v6: '', owners: 60, make: false },
  { name: 'dual-stack', cidr: '', v4: '10.17.', v6: 'fd00:10:17::', owners: 30, make: false },
  { name: 'chaos-small', cidr: '10.90.0.0/28', v4: '10.90.0.', v6: '', owners: 24, make: true },
  {
    name: 'chaos-dual',
    cidr: '10.91.0.0/28,fd00:91::/120',
    v4: '10.91.0.',
    v6: 'fd00:91::',
    owners: 20,
    make: true,
  },
  { name: 'chaos-comes-and-goes', cidr: '10.92.0.0/27', v4: '10.92.0.', v6: '', owners: 3, make: true },
] as const

type Space = (typeof SUBNETS)[number]

const NAMESPACE = 'chaos'
const JSON_TYPE = 'application/json'

interface Owner {
  readonly space: Space
  readonly podName: string
  readonly name: string
}

export function subnetManifest(space: Space): Wish {
  const body = {
    apiVersion: 'kubeovn.io/v1',
    kind: 'Subnet',
    metadata: { name: space.name },
    spec: { cidrBlock: space.cidr },
  }
  return {
    kind: 'put-subnet',
    method: 'PUT',
    path: `/v1/subnets/${space.name}`,
    body: JSON.stringify(body),
    contentType: JSON_TYPE,
  }
}

/** One client: asks one thing after another until `over()`, each choice from its own generator. */
export async function runClient(
  client: number,
  clients: number,
  random: Prng,
  recorder: Recorder,
  over: () => boolean,
): Promise<void> {
  while (!over()) {
    const wishes = nextWishes(client, clients, random, recorder)
    await Promise.all(wishes.map((wish) => recorder.send(client, wish)))
  }
}

function nextWishes(client: number, clients: number, random: Prng, recorder: Recorder): Wish[] {
  const owner = pickOwner(random)
  const step = random.weighted({
    reserve: 40,
    sameKeyAtOnce: 5,
    otherKeys: 6,
    contend: 4,
    group: 6,
    release: 22,
    releaseAndReserve: 3,
    repeat: 5,
    mismatch: 2,
    dryRun: 3,
    validate: 3,
    read: 6,
    pod: 6,
    subnet: 5,
    wrongSubnet: 2,
  })
  switch (step) {
    case 'reserve':
      return [reserve([owner], random)]
    case 'sameKeyAtOnce': {
      const wish = reserve([owner], random)
      return [wish, wish, wish]
    }
    case 'otherKeys':
      return [reserve([owner], random), reserve([owner], random), reserve([owner], random)]
    case 'contend': {
      // Several owners want one address.
      const rivals = [owner, pickOwner(random, owner.space), pickOwner(random, owner.space)]
      const address = `${owner.space.v4}${owner.space.cidr.endsWith('/16') ? '7.' : ''}${random.between(2, 13)}`
      return rivals.map((rival) => wishFor(rival, random, { v4IpAddress: ipv4(address, owner.space) }))
    }
    case 'group': {
      const size = random.between(2, 8)
      const members = new Map<string, Owner>()
      for (let i = 0; i < size; i++) {
        const member = pickOwner(random, owner.space)
        members.set(member.name, member)
      }
      return [reserve([...members.values()], random)]
    }
    case 'release':
      return [release(owner, random)]
    case 'releaseAndReserve':
      return [release(owner, random), reserve([owner], random)]
    case 'repeat':
      return repeatKept(recorder, random)
    case 'mismatch':
      return mismatched(recorder, random)
    case 'dryRun':
      return [{ ...reserve([owner], random), kind: 'dry-run', path: '/v1/reserve?dryRun=All' }]
    case 'validate':
      return [{ ...reserve([owner], random), kind: 'validate', path: '/v1/validate' }]
    case 'read':
      return [
        get(`/v1/reservations/${owner.name}`),
        get(`/v1/reservations?subnet=${owner.space.name}&limit=5`),
        get(`/v1/subnets/${owner.space.name}`),
      ]
    case 'pod':
      return [pod(client, clients, random)]
    case 'subnet':
      return subnet(random)
    case 'wrongSubnet': {
      const other = random.pick(SUBNETS)
      return [reserve([{ ...owner, space: other }], random)]
    }
    default:
      throw new Error(`no such step: ${step satisfies never}`)
  }
}

function pickOwner(random: Prng, space = pickSpace(random)): Owner {
  const podName = `${space.name}-${random.below(space.owners)}`
  return { space, podName, name: `${podName}.${NAMESPACE}` }
}

function pickSpace(random: Prng): Space {
  const name = random.weighted({
    'ovn-default': 8,
    'dual-stack': 4,
    'chaos-small': 5,
    'chaos-dual': 4,
    'chaos-comes-and-goes': 1,
  })
  return SUBNETS.find((space) => space.name === name) as Space
}

const ipv4 = (text: string, space: Space) =>
  space.name === 'dual-stack' ? text.replace('10.17.', '10.17.7.') : text

const get = (path: string): Wish => ({ kind: 'read', method: 'GET', path })

function plainItem(owner: Owner, random: Prng): Record<string, string> {
  const item: Record<string, string> = {
    subnet: owner.space.name,
    namespace: NAMESPACE,
    podName: owner.podName,
    // Part of the owner: the same each time, or the request would ask for something else.
    podType: owner.podName.endsWith('1')
      ? 'VirtualMachine'
      : owner.podName.endsWith('2')
        ? 'StatefulSet'
        : '',
  }
  if (random.chance(0.2)) item.v4IpAddress = staticV4(owner.space, random)
  if (owner.space.v6 && random.chance(0.15))
    item.v6IpAddress = `${owner.space.v6}${random.between(2, 14).toString(16)}`
  if (random.chance(0.1)) item.macAddress = `02:00:00:00:0${random.below(4)}:${random.between(10, 40)}`
  return item
}

function staticV4(space: Space, random: Prng): string {
  const last = random.between(2, 14)
  return space.v4.split('.').length > 3 ? `${space.v4}${last}` : `${space.v4}3.${last}`
}

function reserve(owners: readonly Owner[], random: Prng): Wish {
  const items = owners.map((owner) => plainItem(owner, random))
  const names = owners.map((owner) => owner.name)
  return { ...post('/v1/reserve', items.length === 1 ? items[0] : { items }, random, names), kind: 'reserve' }
}

function wishFor(owner: Owner, random: Prng, fields: Record<string, string>): Wish {
  const item = { subnet: owner.space.name, namespace: NAMESPACE, podName: owner.podName, ...fields }
  return {
    ...post('/v1/reserve', { ...plainItem(owner, random), ...item }, random, [owner.name]),
    kind: 'reserve',
  }
}

function release(owner: Owner, random: Prng): Wish {
  const target = random.chance(0.6)
    ? { name: owner.name }
    : { namespace: NAMESPACE, podName: owner.podName, subnet: owner.space.name }
  return { ...post('/v1/release', target, random, [owner.name]), kind: 'release' }
}

function post(path: string, body: unknown, random: Prng, names: readonly string[]): Omit<Wish, 'kind'> {
  return {
    method: 'POST',
    path,
    body: JSON.stringify(body),
    contentType: JSON_TYPE,
    key: `chaos-${random.id()}`,
    names,
  }
}

/** An answered request once more, under its key: the answer must be the one of then. */
function repeatKept(recorder: Recorder, random: Prng): Wish[] {
  const kept = recorder.intents.slice(-400).filter(isRepeatable)
  if (kept.length === 0) return []
  const { kind, method, path, body, contentType, key, names } = random.pick(kept)
  return [{ kind, method, path, names, ...(body && contentType && key ? { body, contentType, key } : {}) }]
}

/** A used key with another body for the same Subnet: 422, whatever the body says. */
function mismatched(recorder: Recorder, random: Prng): Wish[] {
  const kept = recorder.intents
    .slice(-200)
    .filter((i) => i.kind === 'reserve' && isRepeatable(i) && isSuccess(i.final))
  if (kept.length === 0) return []
  const used = random.pick(kept)
  const space = SUBNETS.find((each) => used.body?.includes(`"subnet":"${each.name}"`))
  const other = reserve([pickOwner(random, space)], random)
  return used.key && used.body !== other.body ? [{ ...other, key: used.key }] : []
}

/** Each client has Pods of its own, so that it knows when one was there throughout. */
function pod(client: number, clients: number, random: Prng): Wish {
  const space = SUBNETS[0]
  const mine = client + clients * random.below(Math.floor(space.owners / clients))
  const podName = `${space.name}-${mine}`
  const path = `/embedded/pods/${NAMESPACE}/${podName}`
  const names = [`${podName}.${NAMESPACE}`]
  if (random.chance(0.6)) return { kind: 'delete-pod', method: 'DELETE', path, names }
  const manifest = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: podName, namespace: NAMESPACE },
    spec: {},
  }
  return {
    kind: 'put-pod',
    method: 'PUT',
    path,
    names,
    body: JSON.stringify(manifest),
    contentType: JSON_TYPE,
  }
}

/** Puts the Subnet that comes and goes, empties it, or takes it away. */
function subnet(random: Prng): Wish[] {
  const space = SUBNETS[4]
  const remove: Wish = { kind: 'delete-subnet', method: 'DELETE', path: `/v1/subnets/${space.name}` }
  switch (random.below(3)) {
    case 0:
      return [subnetManifest(space)]
    case 1:
      return [remove]
    default:
      return Array.from({ length: space.owners }, (_, index) => {
        const podName = `${space.name}-${index}`
        return release({ space, podName, name: `${podName}.${NAMESPACE}` }, random)
      })
  }
}
