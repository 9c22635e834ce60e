export const SUBNET = 'ovn-default'

/** Names of one length, so that requests and rows of both sides are of one size. */
export function podName(prefix: string, index: number): string {
  return `${prefix}-${String(index).padStart(7, '0')}`
}

/** The plain form of a wish for any address. */
export function wish(subnet: string, name: string): Record<string, string> {
  return { subnet, namespace: 'bench', podName: name }
}
