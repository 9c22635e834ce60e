import type { KubeObject } from '../../cluster/port.ts'
import type { DnsRecord } from './records.ts'
import type { Zone } from './zone.ts'

/** What tells these objects from others, for `kubectl apply --prune -l`. */
const LABELS = { 'app.kubernetes.io/managed-by': 'berth' }

/**
 * The records as objects of external-dns, one a name, in its owner's namespace
 * [externaldns.k8s.io/v1alpha1 DNSEndpoint: dnsName, recordTTL, recordType, targets].
 */
export function dnsEndpoints({ records, ttlSeconds }: Zone): KubeObject[] {
  const byName = new Map<string, DnsRecord[]>()
  for (const record of records) {
    const same = byName.get(record.name)
    if (same) same.push(record)
    else byName.set(record.name, [record])
  }
  return [...byName].map(([dnsName, same]) => ({
    apiVersion: 'externaldns.k8s.io/v1alpha1',
    kind: 'DNSEndpoint',
    metadata: { name: dnsName, namespace: same[0]?.namespace ?? '', labels: LABELS },
    spec: {
      endpoints: [...new Set(same.map(({ type }) => type))].map((recordType) => ({
        dnsName,
        recordTTL: ttlSeconds,
        recordType,
        targets: same.filter(({ type }) => type === recordType).map(({ value }) => value),
      })),
    },
  }))
}
