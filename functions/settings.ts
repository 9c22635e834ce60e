import { DEFAULT_SETTINGS, type LedgerSettings } from '../shared/ledger/settings.ts'
import type { AccessMode } from './middleware/access.ts'

/** A variable: text, or null where a self-hosted runtime passes on one that is not set. */
type Variable = string | null | undefined

/** Variables of this version; README lists them. */
export interface Variables {
  readonly CLUSTER?: Variable
  readonly AUTHORITY?: Variable
  readonly OVN_NB?: Variable
  readonly WAIT_MS?: Variable
  readonly ACK_MS?: Variable
  readonly STRAGGLER_MS?: Variable
  readonly QUARANTINE_MS?: Variable
  readonly ACCESS?: Variable
}

/** What the variables say. */
export interface Settings {
  readonly ledger: LedgerSettings
  readonly waitMs: number
  readonly authority: 'alone' | 'beside'
}

/** Reads the variables. A value that makes no sense is an error, never a silent default. */
export function settingsOf(variables: Variables): Settings {
  const cluster = variables.CLUSTER || 'embedded'
  if (cluster !== 'embedded') throw new Error(`CLUSTER=${cluster} is not available in this version`)
  const authority = variables.AUTHORITY || 'auto'
  if (authority !== 'auto' && authority !== 'alone') {
    throw new Error(`AUTHORITY=${authority} is not available on the embedded cluster`)
  }
  if ((variables.OVN_NB || 'none') !== 'none') throw new Error('OVN_NB is not available in this version')
  return {
    ledger: {
      ...DEFAULT_SETTINGS,
      ackMs: milliseconds(variables, 'ACK_MS', DEFAULT_SETTINGS.ackMs),
      stragglerMs: milliseconds(variables, 'STRAGGLER_MS', DEFAULT_SETTINGS.stragglerMs),
      quarantineMs: milliseconds(variables, 'QUARANTINE_MS', 0),
    },
    waitMs: milliseconds(variables, 'WAIT_MS', 5_000),
    authority: 'alone',
  }
}

/** Who may call without saying who they are; anything that is not understood closes the door. */
export function accessOf(variables: Variables): AccessMode {
  return (variables.ACCESS || 'loopback-anonymous') === 'loopback-anonymous'
    ? 'loopback-anonymous'
    : 'required'
}

function milliseconds(
  variables: Variables,
  name: 'ACK_MS' | 'STRAGGLER_MS' | 'QUARANTINE_MS' | 'WAIT_MS',
  otherwise: number,
): number {
  const text = variables[name]
  if (text === undefined || text === null || text === '') return otherwise
  if (!/^\d{1,12}$/.test(text)) throw new Error(`${name} must be a whole number of ms`)
  return Number(text)
}
