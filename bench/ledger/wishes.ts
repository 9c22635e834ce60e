import type { Client } from './client.ts'

export const SUBNET = 'ovn-default'
export const GROUP = 1_000

/** Names of one length, so that requests and rows of both sides are of one size. */
export function podName(prefix: string, index: number): string {
  return `${prefix}-${String(index).padStart(7, '0')}`
}

/** The plain form of a wish for any address. */
export function wish(subnet: string, name: string): Record<string, string> {
  return { subnet, namespace: 'bench', podName: name }
}

/** A group of Pods, with the addresses they want if any. */
export function groupBody(
  numbers: readonly number[],
  subnet = SUBNET,
  addresses: readonly string[] = [],
): string {
  const items = numbers.map((number, index) => {
    const v4IpAddress = addresses[index]
    return { ...wish(subnet, podName('many', number)), ...(v4IpAddress ? { v4IpAddress } : {}) }
  })
  return JSON.stringify({ items })
}

/** This share of a /16's usable addresses, in random order. `prefix` is its first two octets. */
export function addresses(prefix: string, share: number): string[] {
  const all = Array.from({ length: 65_533 }, (_, i) => `${prefix}.${(i + 2) >> 8}.${(i + 2) & 255}`)
  for (let i = all.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1))
    ;[all[i], all[j]] = [all[j]!, all[i]!]
  }
  return all.slice(0, Math.floor(all.length * share))
}

/** Makes a Subnet exist whose gateway is its first address. */
export async function putSubnet(client: Client, name: string, cidrBlock: string): Promise<void> {
  const spec = { cidrBlock, protocol: 'IPv4', provider: 'ovn', vpc: 'ovn-cluster' }
  const manifest = { apiVersion: 'kubeovn.io/v1', kind: 'Subnet', metadata: { name }, spec }
  const reply = await client.ask(`/v1/subnets/${name}`, JSON.stringify(manifest), 'PUT')
  if (reply.status !== 201) throw new Error(`Subnet ${name}: ${reply.status} ${reply.body}`)
}
