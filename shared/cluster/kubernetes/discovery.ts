import type { Kind } from '../port.ts'
import { isRecord } from './evidence.ts'
import { resourceOf } from './paths.ts'
import type { Transport } from './transport.ts'

/**
 * Whether the server says that it does not serve the kind: its list of groups lacks the group, or the group's list of
 * resources lacks the kind. A path that is not found is no proof, for proxies and servers that just start say that too.
 * Throws CallFailed, or SyntaxError for what is not JSON.
 */
export async function isUnserved(
  transport: Transport,
  url: string,
  kind: Kind,
  limitMs: number,
): Promise<boolean> {
  const { group, version, plural } = resourceOf(kind)
  if (group === '') return false
  const groups = await listOf(transport, `${url}/apis`, limitMs, 'APIGroupList', 'groups')
  if (!groups) return false
  if (!groups.includes(group)) return true
  const path = `${url}/apis/${group}/${version}`
  const resources = await listOf(transport, path, limitMs, 'APIResourceList', 'resources')
  return resources !== undefined && !resources.includes(plural)
}

/** Names in a discovery document [k8s.io/apimachinery/pkg/apis/meta/v1/types.go]; undefined when it is none. */
async function listOf(
  transport: Transport,
  url: string,
  limitMs: number,
  kind: 'APIGroupList' | 'APIResourceList',
  member: 'groups' | 'resources',
): Promise<readonly unknown[] | undefined> {
  const { status, text } = await transport.read(url, limitMs)
  if (status !== 200) return undefined
  const document: unknown = JSON.parse(text)
  if (!isRecord(document) || document.kind !== kind) return undefined
  const items = document[member]
  if (!Array.isArray(items) || !items.every(isRecord)) return undefined
  return items.map(({ name }) => name)
}
