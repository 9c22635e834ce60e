import { adopt } from '../../shared/command/adopt.ts'
import type { CommandPorts } from '../../shared/command/ports.ts'
import { release } from '../../shared/command/release.ts'
import { reserve } from '../../shared/command/reserve.ts'
import type { ReserveItem, WriteOutcome } from '../../shared/command/types.ts'
import type { Sql } from '../../shared/sql.ts'
import type { Deed } from './scenario.ts'

/** What a client may ask of Berth. */
export type Write = Extract<Deed, { do: 'reserve' | 'release' | 'adopt' }>

/** What a client saw of one call: its outcome, or that the line went dead. */
export type Answered = WriteOutcome | { readonly kind: 'cut off' }

/** As a door hands it down. */
export function command(
  ports: CommandPorts,
  write: Write,
  tenant: string,
  requestId: string,
): Promise<WriteOutcome> {
  const context = {
    tenant,
    requestId,
    bodyHash: bodyHashOf(write),
    ...(write.key === undefined ? {} : { idempotencyKey: write.key }),
  }
  switch (write.do) {
    case 'reserve': {
      const items = write.items.map(
        (item): ReserveItem => ({ namespace: 'default', podType: '', ...lastingOf(item.podName), ...item }),
      )
      return reserve(ports, { ...context, dryRun: write.dryRun === true, items })
    }
    case 'release': {
      const { subnet } = write
      const targets = write.pods.map((pod) => ({ name: portOf(pod), ...(subnet ? { subnet } : {}) }))
      return release(ports, { ...context, dryRun: false, targets, force: write.force })
    }
    case 'adopt':
      return adopt(ports, {
        ...context,
        dryRun: false,
        target: { name: portOf(write.pod) },
      }) as Promise<WriteOutcome>
    default:
      return write satisfies never
  }
}

export function bodyHashOf({ key: _, ...body }: Write & { atMs?: number; client?: number }): string {
  const { atMs: _at, client: _client, ...rest } = body
  return JSON.stringify(rest)
}

/** One Pod's reservations end by themselves, as long as nobody renews them. */
export const LEASED = 'e'
export const LEASE_SECONDS = 120

const lastingOf = (podName: string) => (podName === LEASED ? { ttlSeconds: LEASE_SECONDS } : {})

export const portOf = (pod: string): string => `${pod}.default`

/** What a ledger promises and does, as text. */
export function promises(sql: Sql): string {
  if (!sql.first(`SELECT 1 FROM sqlite_master WHERE name = 'lease'`)) return ''
  return JSON.stringify(['lease', 'op', 'claim'].map((table) => sql.all(`SELECT * FROM ${table}`)))
}
