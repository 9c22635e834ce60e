import { Framing } from '../../shared/ovn/ovsdb/framing.ts'
import { type Json, type JsonObject, jsonText } from '../../shared/ovn/ovsdb/json.ts'
import type { Tcp, TcpAddress, TcpStream } from '../../shared/tcp.ts'

/** The server's end of one connection. */
export class Link {
  readonly #chunks: (Uint8Array | Error | undefined)[] = []
  #wake: (() => void) | undefined
  /** What the client sent, in order. */
  readonly received: JsonObject[] = []
  closed = false

  send(message: Json): void {
    this.bytes(new TextEncoder().encode(jsonText(message)))
  }

  bytes(bytes: Uint8Array): void {
    this.#push(bytes)
  }

  /** The server ends the stream. */
  end(): void {
    this.#push(undefined)
  }

  /** The connection is reset. */
  reset(): void {
    this.#push(new Error('connection reset'))
  }

  /** Methods the client called or notified, in order. */
  get methods(): string[] {
    return this.received.flatMap((message) => (typeof message.method === 'string' ? [message.method] : []))
  }

  async read(): Promise<Uint8Array | undefined> {
    while (this.#chunks.length === 0) {
      if (this.closed) throw new Error('closed')
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    const chunk = this.#chunks.shift()
    if (chunk instanceof Error) throw chunk
    return chunk
  }

  close(): void {
    this.closed = true
    this.#wake?.()
  }

  #push(chunk: Uint8Array | Error | undefined): void {
    this.#chunks.push(chunk)
    this.#wake?.()
  }
}

/** What a server does with a message; true when it has dealt with it, else the usual answer follows. */
export type Script = (message: JsonObject, link: Link) => boolean | undefined

export interface ScriptedServer {
  /** Its row in _Server; null leaves the row out. */
  database?: {
    clustered?: boolean
    connected?: boolean
    leader?: boolean
    index?: number
    cid?: string
  } | null
  schema?: Json
  /** Rows of the monitored table, by uuid. */
  rows?: () => Readonly<Record<string, JsonObject>>
  /** Results of transact. */
  transact?: (operations: readonly JsonObject[], link: Link) => Json
  script?: Script
  /** Nobody listens. */
  down?: boolean
}

const CLUSTER = '11111111-1111-4111-8111-111111111111'
const SERVER_ROW = '22222222-2222-4222-8222-222222222222'
export const LAST_TRANSACTION = '33333333-3333-4333-8333-333333333333'

const optional = (key: string) => ({ type: { key, min: 0, max: 1 } })
const many = (key: string) => ({ type: { key, min: 0, max: 'unlimited' } })
const textMap = { type: { key: 'string', value: 'string', min: 0, max: 'unlimited' } }

const SERVER_SCHEMA = {
  name: '_Server',
  version: '1.2.0',
  tables: {
    Database: {
      columns: {
        name: { type: 'string' },
        model: { type: 'string' },
        connected: { type: 'boolean' },
        leader: { type: 'boolean' },
        cid: optional('uuid'),
        index: optional('integer'),
      },
    },
  },
}

/** The part of OVN's schema that matters here. */
export const NORTHBOUND_SCHEMA = {
  name: 'OVN_Northbound',
  version: '7.0.0',
  tables: {
    Logical_Switch: { columns: { name: { type: 'string' }, ports: many('uuid') } },
    Logical_Switch_Port: {
      columns: {
        name: { type: 'string' },
        type: { type: 'string' },
        addresses: many('string'),
        port_security: many('string'),
        dynamic_addresses: optional('string'),
        up: optional('boolean'),
        options: textMap,
        external_ids: textMap,
      },
    },
    DHCP_Options: { columns: { cidr: { type: 'string' }, options: textMap, external_ids: textMap } },
    Address_Set: { columns: { name: { type: 'string' }, addresses: many('string') } },
  },
} as const

/** Servers at the far end of a scripted transport, by `host:port`. They answer as ovsdb-server does, unless told otherwise. */
export class ScriptedOvsdb implements Tcp {
  readonly servers: Record<string, ScriptedServer>
  /** Connections made, in order. */
  readonly links: Link[] = []
  readonly asked: string[] = []

  constructor(servers: Record<string, ScriptedServer>) {
    this.servers = servers
  }

  /** The newest connection. */
  get link(): Link {
    const link = this.links.at(-1)
    if (!link) throw new Error('nobody connected')
    return link
  }

  async connect({ host, port }: TcpAddress): Promise<TcpStream> {
    const at = `${host}:${port}`
    this.asked.push(at)
    const server = this.servers[at]
    if (!server || server.down) throw new Error('connection refused')
    const link = new Link()
    this.links.push(link)
    const framing = new Framing({ messageBytes: 1 << 24, depth: 64 })
    return {
      read: () => link.read(),
      write: async (bytes) => {
        if (link.closed) throw new Error('closed')
        for (const message of framing.push(bytes).messages) {
          link.received.push(message)
          // As it is now: a script may have been changed under a connection.
          const now = this.servers[at] ?? server
          if (!now.script?.(message, link)) answer(now, message, link)
        }
      },
      close: () => link.close(),
    }
  }
}

/** Tells the client that its server's row in _Server changed. */
export function announce(link: Link, change: JsonObject): void {
  link.send({
    id: null,
    method: 'update3',
    params: ['server', LAST_TRANSACTION, { Database: { [SERVER_ROW]: { modify: change } } }],
  })
}

/** Tells the client of a change of the table it keeps. */
export function update(link: Link, table: string, uuid: string, change: JsonObject): void {
  link.send({
    id: null,
    method: 'update3',
    params: ['replica-0', LAST_TRANSACTION, { [table]: { [uuid]: change } }],
  })
}

function answer(server: ScriptedServer, message: JsonObject, link: Link): void {
  const { id = null, method, params } = message as { id?: Json; method?: string; params?: readonly Json[] }
  if (id === null || method === undefined) return
  const result = resultOf(server, method, params ?? [], link)
  link.send(
    result === undefined ? { id, result: null, error: 'unknown method' } : { id, result, error: null },
  )
}

function resultOf(
  server: ScriptedServer,
  method: string,
  params: readonly Json[],
  link: Link,
): Json | undefined {
  switch (method) {
    case 'get_schema':
      return params[0] === '_Server' ? SERVER_SCHEMA : (server.schema ?? NORTHBOUND_SCHEMA)
    case 'monitor_cond_since': {
      const [database, , tables] = params as [string, string, JsonObject]
      const [table = ''] = Object.keys(tables)
      const rows = database === '_Server' ? serverRows(server) : (server.rows?.() ?? {})
      const initial = Object.entries(rows).map(([uuid, row]) => [uuid, { initial: row }])
      return [false, LAST_TRANSACTION, { [table]: Object.fromEntries(initial) }]
    }
    case 'transact': {
      const operations = params.slice(1) as JsonObject[]
      return server.transact?.(operations, link) ?? operations.map(() => ({}))
    }
    case 'echo':
      return params
    default:
      return undefined
  }
}

function serverRows({ database }: ScriptedServer): Record<string, JsonObject> {
  if (database === null) return {}
  const { clustered = false, connected = true, leader = true, index = 5, cid = CLUSTER } = database ?? {}
  const row = {
    name: 'OVN_Northbound',
    model: clustered ? 'clustered' : 'standalone',
    connected,
    leader,
    cid: clustered ? ['uuid', cid] : ['set', []],
    index: clustered ? index : ['set', []],
  }
  return { [SERVER_ROW]: row }
}
