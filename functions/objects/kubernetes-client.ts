import type { ClusterReviews } from '../../shared/access/reviews.ts'
import { systemClock } from '../../shared/clock.ts'
import { kubernetesPort } from '../../shared/cluster/kubernetes/port.ts'
import { kubernetesReviews } from '../../shared/cluster/kubernetes/reviews.ts'
import type { ClusterPort } from '../../shared/cluster/port.ts'
import type { ClusterSettings } from '../settings.ts'
import { systemHttp } from '../system-http.ts'

/** The folder a Pod's ServiceAccount is mounted in, as infra/workerd binds it. */
export interface KubernetesBindings {
  readonly KUBE_ACCOUNT?: Fetcher | null
}

type KubernetesSettings = Extract<ClusterSettings, { kind: 'kubernetes' }>

const made = new Map<string, { readonly account: unknown; readonly port: ClusterPort }>()

/**
 * The ClusterPort over the API server. One for each server and isolate, so that a mounted token is read once, and again when the
 * API server no longer takes it: the kubelet has put a newer one there by then.
 */
export function kubernetesClient(bindings: KubernetesBindings, settings: KubernetesSettings): ClusterPort {
  const { url, token } = settings
  const account = bindings.KUBE_ACCOUNT ?? undefined
  const key = JSON.stringify([url, token])
  const last = made.get(key)
  if (last && last.account === account) return last.port
  const port = kubernetesPort({
    http: systemHttp,
    url,
    clock: systemClock,
    token: () => token ?? mountedToken(account),
  })
  made.set(key, { account, port })
  return port
}

/** Whose tokens of this cluster are and what they may, as its API server tells Berth's own account. */
export function reviewsClient(
  bindings: KubernetesBindings,
  { url, token }: KubernetesSettings,
  audiences?: readonly string[],
): ClusterReviews {
  const account = bindings.KUBE_ACCOUNT ?? undefined
  return kubernetesReviews({
    http: systemHttp,
    url,
    clock: systemClock,
    token: () => token ?? mountedToken(account),
    ...(audiences === undefined ? {} : { audiences }),
  })
}

async function mountedToken(account: Fetcher | undefined): Promise<string> {
  if (!account) throw new Error('neither KUBE_TOKEN nor a mounted ServiceAccount')
  const file = await account.fetch('http://account/token')
  const text = await file.text()
  if (file.status !== 200) throw new Error('the mounted ServiceAccount has no token')
  return text
}
