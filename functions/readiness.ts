import type { MirrorStatus } from '../shared/command/mirror/mirror.ts'
import type { CommandPorts } from '../shared/command/ports.ts'
import { isSilent, subnets } from '../shared/command/subnet-list.ts'
import type { Mode } from '../shared/ledger/port.ts'
import type { Problem } from '../shared/problem.ts'
import type { Result } from '../shared/result.ts'
import type { PartStatus } from './berth.ts'
import type { ClusterSettings } from './settings.ts'

export interface ReadinessParts {
  readonly ports: CommandPorts
  readonly cluster: ClusterSettings
  /** Whether the API server can prove itself by a secret. */
  readonly hasSecret: boolean
  readonly inCharge: () => Promise<Result<Mode, Problem>>
  /** What a restart of the controller would do. */
  readonly exposed: (mode: Mode) => Promise<readonly string[]>
  /** Of a real cluster. */
  readonly mirror: { status(): Promise<MirrorStatus | undefined> } | undefined
}

/** Each part that a reservation needs, for /readyz. */
export async function readiness(parts: ReadinessParts): Promise<PartStatus[]> {
  const { ports, cluster, inCharge, mirror } = parts
  const [listed, allowed, status, ovn] = await Promise.all([
    subnets(ports),
    inCharge(),
    mirror?.status(),
    ports.ovn.status(),
  ])
  const detail = listed.ok ? '' : listed.error.detail
  const silent = listed.ok ? listed.value.filter(isSilent).map(({ name }) => name) : []
  const ledger = silent.length > 0 ? `no answer from ${silent.slice(0, 10).join(', ')}` : detail
  const exposed = allowed.ok ? await parts.exposed(allowed.value) : []
  const inWords = [allowed.ok ? allowed.value : '', ...exposed].join('; ')
  const part =
    cluster.kind === 'kubernetes'
      ? mirrored(cluster.url, status)
      : { part: 'cluster' as const, ready: true, detail: 'embedded' }
  return [
    {
      part: 'ledger',
      ready: listed.ok && silent.length === 0,
      detail: ledger || `${listed.ok ? listed.value.length : 0} Subnets`,
    },
    listed.ok ? part : { ...part, ready: false, detail },
    { part: 'ovn', ...ovn },
    { part: 'authority', ready: allowed.ok, detail: allowed.ok ? inWords : allowed.error.detail },
    { part: 'webhooks', ready: true, detail: webhooks(parts) },
  ]
}

/** How the API server may come in. */
function webhooks({ cluster, hasSecret }: ReadinessParts): string {
  if (cluster.kind === 'embedded') return 'none'
  return hasSecret
    ? 'the API server proves itself by a secret'
    : 'only a client certificate lets the API server in'
}

/** The cluster's URL, and how old the mirror is; each kind that is too old is named. */
function mirrored(url: string, status: MirrorStatus | undefined): PartStatus {
  if (!status) return { part: 'cluster', ready: false, detail: `${url}: the mirror does not answer` }
  const bad = status.kinds.filter(({ ready }) => !ready)
  const eldestMs = Math.max(...status.kinds.map(({ ageMs }) => ageMs))
  const words = bad.map(({ kind, state, ageMs }) =>
    state === 'new' ? `${kind} never read` : `${kind} read ${seconds(ageMs)} ago`,
  )
  const detail = words.length > 0 ? words.join(', ') : `read ${seconds(eldestMs)} ago at most`
  return { part: 'cluster', ready: bad.length === 0, detail: `${url}: ${detail}` }
}

const seconds = (ms: number) => `${Math.round(ms / 1_000)} s`
