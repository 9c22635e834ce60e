import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** One request as the API server saw it [k8s.io/apiserver/pkg/apis/audit/v1 Event], as far as it is read. */
export interface AuditEvent {
  readonly verb: string
  readonly user: string
  readonly group: string
  readonly resource: string
  readonly subresource: string
  readonly namespace: string
  readonly name: string
  readonly code: number
  readonly dryRun: boolean
  /** The version a watch began from; "" where none was said. */
  readonly from: string
  /** Of the request's arrival, ms since the epoch. */
  readonly atMs: number
}

const POLICY = {
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  rules: [{ level: 'Metadata', omitStages: ['RequestReceived', 'Panic'] }],
}

/** The log of all requests: flags for the API server, and what it wrote so far, each request once. */
export function auditLog(folder: string) {
  const policy = join(folder, 'audit-policy.json')
  const log = join(folder, 'audit.log')
  writeFileSync(policy, JSON.stringify(POLICY))
  return {
    flags: [`--audit-policy-file=${policy}`, `--audit-log-path=${log}`, '--audit-log-maxsize=1000'],
    events: (): AuditEvent[] => {
      if (!existsSync(log)) return []
      // Its last line may be half written.
      const lines = readFileSync(log, 'utf8').split('\n').slice(0, -1)
      const seen = new Map<string, AuditEvent>()
      // A watch is there twice, when it begins and when it ends.
      for (const line of lines) {
        const event = JSON.parse(line)
        if (!seen.has(event.auditID)) seen.set(event.auditID, eventOf(event))
      }
      return [...seen.values()]
    },
  }
}

// biome-ignore lint/suspicious/noExplicitAny: the log's own form
function eventOf(event: any): AuditEvent {
  const { objectRef = {}, responseStatus = {}, user = {}, verb, requestURI, requestReceivedTimestamp } = event
  return {
    verb,
    user: user.username ?? '',
    group: objectRef.apiGroup ?? '',
    resource: objectRef.resource ?? '',
    subresource: objectRef.subresource ?? '',
    namespace: objectRef.namespace ?? '',
    name: objectRef.name ?? '',
    code: responseStatus.code ?? 0,
    dryRun: /[?&]dryRun=/.test(requestURI ?? ''),
    from: (verb === 'watch' && /[?&]resourceVersion=(\d+)/.exec(requestURI ?? '')?.[1]) || '',
    atMs: Date.parse(requestReceivedTimestamp),
  }
}
