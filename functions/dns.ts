import { z } from '@hono/zod-openapi'
import { dnsEndpoints } from '../shared/command/dns/endpoints.ts'
import { masterFile } from '../shared/command/dns/master-file.ts'
import type { Zone } from '../shared/command/dns/zone.ts'
import type { DoorApp, DoorContext } from './door.ts'
import { mount } from './mount.ts'
import { accepts } from './reply/accept.ts'
import { replyTagged } from './reply/etag.ts'
import { writeJson } from './reply/json.ts'
import { refuse } from './reply/problem.ts'
import { writeYamlList } from './reply/yaml.ts'
import { zoneHeaders, zonePath, zoneQuery } from './schema/dns.ts'
import { readPath } from './schema/path.ts'
import { ANY_CALL, refusals } from './schema/problem.ts'
import { readQuery } from './schema/query.ts'
import { kubeObject } from './schema/replies.ts'

const list = z.object({ apiVersion: z.literal('v1'), kind: z.literal('List'), items: z.array(kubeObject) })
const endpoints = { schema: list.openapi('DNSEndpointList') }
const text = (description: string) => ({ schema: z.string().openapi({ description }) })

const route = {
  method: 'get',
  path: '/v1/dns/{zone}',
  summary: 'DNS names of bound reservations',
  description:
    'A forward zone (A, AAAA) has pod.namespace, or pod.namespace.provider unless the provider is ovn; a zone below in-addr.arpa or ip6.arpa has the names back (PTR). Owners that are no DNS names, and names that two owners could have, are left out and counted in a Warning header.',
  request: { params: zonePath, query: zoneQuery, headers: zoneHeaders },
  responses: {
    200: {
      description: 'The whole zone.',
      content: {
        'text/dns': text(
          'A master file (RFC 1035, section 5). Its serial grows only when its content changes.',
        ),
        'application/yaml': text('DNSEndpoint objects of external-dns, to pipe into kubectl apply.'),
        'application/json': endpoints,
      },
    },
    304: { description: 'It has the ETag that If-None-Match names.' },
    ...refusals('invalid_field', 'invalid_name', 'unknown_subnet', 'too_large', ...ANY_CALL),
  },
} as const

/** GET /v1/dns/{zone} */
export function mountDns(app: DoorApp): void {
  mount(app, route, accepts('zone', 'yaml', 'json'), zone)
}

async function zone(c: DoorContext): Promise<Response> {
  const path = readPath(c, zonePath)
  if (!path.ok) return refuse(c, path.error)
  const query = readQuery(c, zoneQuery)
  if (!query.ok) return refuse(c, query.error)
  const { domain, subnet, namespace, ttl, server } = query.value
  const found = await c.var.berth().zone({
    zone: path.value.zone,
    ...(domain === undefined ? {} : { domain }),
    ...(subnet === undefined ? {} : { subnet }),
    ...(namespace === undefined ? {} : { namespace }),
    ttlSeconds: ttl,
    server,
  })
  if (!found.ok) return refuse(c, found.error)
  const { leftOut } = found.value
  if (leftOut.length > 0) c.header('Warning', `299 berth "reservations without a record: ${leftOut.length}"`)
  c.header('Vary', 'Accept')
  return replyTagged(c, written(c, found.value))
}

function written(c: DoorContext, zone: Zone): string {
  switch (c.get('representation')) {
    case 'zone':
      return masterFile(zone)
    case 'yaml':
      return writeYamlList(dnsEndpoints(zone))
    default: {
      const items = dnsEndpoints(zone)
      return `${writeJson({ apiVersion: 'v1', items, kind: 'List', metadata: { resourceVersion: '' } })}\n`
    }
  }
}
