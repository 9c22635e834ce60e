import type { FramingLimits } from './framing.ts'

/** Every bound of the client. */
export interface OvsdbLimits extends FramingLimits {
  /** Opening one connection, up to the answer about who leads. */
  readonly connectMs: number
  /** One call in all, with waiting for a connection. */
  readonly callMs: number
  /** After `cancel` was sent: how long its effect is awaited. */
  readonly cancelMs: number
  /** A first picture of a table may take this long. */
  readonly monitorMs: number
  /** Silence after which the server is asked for a sign of life, and again until it counts as gone. */
  readonly probeMs: number
  /** A session nobody calls for this long closes its connection. */
  readonly idleMs: number
  /** The wait after a round of remotes of which none would do; doubled each time, up to backoffCapMs. */
  readonly backoffMs: number
  readonly backoffCapMs: number
  /** Bytes given to the transport and not yet taken by it. */
  readonly unsentBytes: number
}

export const OVSDB_LIMITS: OvsdbLimits = {
  messageBytes: 32 * 1024 * 1024,
  depth: 32,
  connectMs: 3_000,
  callMs: 5_000,
  cancelMs: 500,
  monitorMs: 30_000,
  probeMs: 5_000,
  idleMs: 300_000,
  backoffMs: 250,
  backoffCapMs: 8_000,
  unsentBytes: 4 * 1024 * 1024,
}
