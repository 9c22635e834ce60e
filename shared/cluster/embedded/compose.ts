import type { Random } from '../../random.ts'
import { KINDS, type KubeObject, type ObjectMeta } from '../port.ts'
import type { ClientMeta, Key } from './admit.ts'
import type { Json, JsonObject } from './json.ts'

/**
 * A whole object out of its parts; parts that are undefined are left out. Only `spec` and `status` exist beside metadata,
 * and what an Event has.
 */
export function compose(
  key: Key,
  content: {
    readonly spec: Json | undefined
    readonly status?: Json | undefined
    readonly event?: JsonObject | undefined
  },
  metadata: Omit<ObjectMeta, keyof ClientMeta | 'namespace'> & ClientMeta,
): KubeObject {
  const object: KubeObject = {
    ...content.event,
    apiVersion: KINDS[key.kind].apiVersion,
    kind: key.kind,
    metadata: {
      ...metadata,
      ...(key.namespace === '' ? {} : { namespace: key.namespace }),
    } as unknown as ObjectMeta,
  }
  if (content.spec !== undefined) object.spec = content.spec
  if (content.status !== undefined) object.status = content.status
  return object
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

/** A random UUID, RFC 4122 §4.4. */
export function uuid(random: Random): string {
  const bytes = random.bytes(16)
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  let hex = ''
  for (const byte of bytes) hex += HEX[byte]
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}
