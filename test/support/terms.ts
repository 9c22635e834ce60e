import { reserve } from '../../shared/command/reserve.ts'
import { putSubnet, subnet } from '../../shared/command/subnets.ts'
import { ANNOTATION_POLICY, ANNOTATION_QUOTAS } from '../../shared/kube-ovn/names.ts'
import { subnetManifest } from './drive.ts'
import { World } from './world.ts'

export const QUOTA = { shop: { addresses: 5 } }

/** Makes or changes Subnet `lab` with these annotations; a value that is no text as JSON. */
export async function terms(world: World, annotations: Record<string, unknown>, cidrBlock = '10.30.2.0/24') {
  const { metadata, ...rest } = subnetManifest({ cidrBlock })
  const texts = Object.fromEntries(
    Object.entries(annotations).map(([name, value]) => [
      name,
      typeof value === 'string' ? value : JSON.stringify(value),
    ]),
  )
  return putSubnet(world.ports, { ...rest, metadata: { ...metadata, annotations: texts } }, false)
}

/** A world whose Subnet `lab` has these terms. */
export async function lab(
  quotas: unknown,
  policy?: unknown,
  settings = {},
  cidrBlock?: string,
): Promise<World> {
  const world = new World(settings)
  const annotations = {
    ...(quotas === undefined ? {} : { [ANNOTATION_QUOTAS]: quotas }),
    ...(policy === undefined ? {} : { [ANNOTATION_POLICY]: policy }),
  }
  const made = await terms(world, annotations, cidrBlock)
  if (!made.ok) throw new Error(JSON.stringify(made.error))
  return world
}

export const wish = (n: number | string, more = {}) => ({
  subnet: 'lab',
  namespace: 'shop',
  podName: `web-${n}`,
  ...more,
})
export const ask = (world: World, ...items: object[]) => reserve(world.ports, world.reserveCommand(items))
export const many = (count: number, from = 0) => Array.from({ length: count }, (_, n) => wish(from + n))
/** What GET /v1/subnets/lab says of its quotas. */
export const quotas = async (world: World) => {
  const view = await subnet(world.ports, 'lab')
  return view.ok ? view.value.quotas : view
}
