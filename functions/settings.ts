import type { AuthorityWish } from '../shared/cluster/authority.ts'
import { windowError } from '../shared/ledger/facts.ts'
import { DEFAULT_SETTINGS, type LedgerSettings } from '../shared/ledger/settings.ts'
import type { AccessMode } from './middleware/access.ts'
import type { Variable } from './variable.ts'

/** Variables of this version; README lists them. */
export interface Variables {
  readonly CLUSTER?: Variable
  readonly AUTHORITY?: Variable
  readonly KUBE_API_URL?: Variable
  /** Secret. */
  readonly KUBE_TOKEN?: Variable
  readonly OVN_NB?: Variable
  readonly WAIT_MS?: Variable
  readonly ACK_MS?: Variable
  readonly STRAGGLER_MS?: Variable
  readonly CONTROLLER_MS?: Variable
  readonly QUARANTINE_MS?: Variable
  readonly AUDIT_DAYS?: Variable
  readonly WINDOW?: Variable
  readonly OUTSIDE_WINDOW?: Variable
  readonly ACCESS?: Variable
  readonly KEEP_VM_IP?: Variable
  readonly KUBE_USER?: Variable
  readonly ADMISSION_SECRET?: Variable
}

/** Where the cluster's objects are kept. */
export type ClusterSettings =
  | { readonly kind: 'embedded' }
  | {
      readonly kind: 'kubernetes'
      readonly url: string
      /** Absent: the token is read from the mounted ServiceAccount. */
      readonly token?: string
      readonly authority: AuthorityWish
    }

/** What the variables say. */
export interface Settings {
  readonly cluster: ClusterSettings
  /** Servers of OVN's Northbound database as OVN_NB has them; absent: ports are not looked after. */
  readonly northbound?: string
  readonly ledger: LedgerSettings
  readonly waitMs: number
  /** Ranges of each Subnet that has a window. */
  readonly windows: ReadonlyMap<string, readonly string[]>
  readonly outsideWindow: 'refuse' | 'pin'
  readonly keepVmIp: boolean
  /** The account Berth writes as. */
  readonly account: string
  /** By which the API server proves itself. */
  readonly admissionSecret?: string
}

/** infra/kubernetes gives Berth this account. */
const ACCOUNT = 'system:serviceaccount:berth-system:berth'

/** What a Pod finds by this name without further settings. */
const IN_CLUSTER_URL = 'https://kubernetes.default.svc'
/** A released address may linger in caches of a real cluster; nobody else has the embedded one's. */
const QUARANTINE_MS = { embedded: 0, kubernetes: 300_000 } as const

/**
 * A cut leaves within sendMs, a look that is repeated (30 s), two reads (10 s) and its own call (5 s): nobody takes over
 * before, so that no cut leaves after somebody else has found the owner alive (shared/ovn/ovsdb/limits.ts).
 */
const OVN_DRIVE_MS = 60_000

/** Reads the variables. A value that makes no sense is an error, never a silent default. */
export function settingsOf(variables: Variables): Settings {
  const cluster = clusterOf(variables)
  const admissionSecret = admissionSecretOf(variables)
  const northbound = (variables.OVN_NB || 'none') === 'none' ? undefined : (variables.OVN_NB ?? undefined)
  return {
    cluster,
    ...(northbound === undefined ? {} : { northbound }),
    ledger: {
      ...DEFAULT_SETTINGS,
      ackMs: milliseconds(variables, 'ACK_MS', DEFAULT_SETTINGS.ackMs),
      stragglerMs: milliseconds(variables, 'STRAGGLER_MS', DEFAULT_SETTINGS.stragglerMs),
      controllerMs: milliseconds(variables, 'CONTROLLER_MS', DEFAULT_SETTINGS.controllerMs),
      quarantineMs: milliseconds(variables, 'QUARANTINE_MS', QUARANTINE_MS[cluster.kind]),
      auditMs: daysOf(variables.AUDIT_DAYS) ?? DEFAULT_SETTINGS.auditMs,
      mirrored: cluster.kind === 'kubernetes',
      ovn: northbound !== undefined,
      ...(northbound === undefined ? {} : { driveMs: OVN_DRIVE_MS }),
    },
    waitMs: milliseconds(variables, 'WAIT_MS', 5_000),
    windows: windowsOf(variables.WINDOW || ''),
    outsideWindow: outsideWindowOf(variables.OUTSIDE_WINDOW || 'refuse'),
    keepVmIp: truth(variables, 'KEEP_VM_IP', true),
    account: variables.KUBE_USER || ACCOUNT,
    ...(admissionSecret === undefined ? {} : { admissionSecret }),
  }
}

/** Who may call without saying who they are; anything that is not understood closes the door. */
export function accessOf(variables: Variables): AccessMode {
  const otherwise = (variables.CLUSTER || 'embedded') === 'embedded' ? 'loopback-anonymous' : 'required'
  return (variables.ACCESS || otherwise) === 'loopback-anonymous' ? 'loopback-anonymous' : 'required'
}

/** What is wrong with ACCESS, which closes the door then. */
export function accessModeError({ ACCESS }: Variables): string | undefined {
  return !ACCESS || ACCESS === 'loopback-anonymous' || ACCESS === 'required'
    ? undefined
    : 'ACCESS: there is loopback-anonymous and required'
}

function clusterOf(variables: Variables): ClusterSettings {
  const kind = variables.CLUSTER || 'embedded'
  const authority = variables.AUTHORITY || 'auto'
  if (kind === 'embedded') {
    if (authority === 'auto' || authority === 'alone') return { kind }
    throw new Error(`AUTHORITY=${authority} is not available on the embedded cluster`)
  }
  if (kind !== 'kubernetes') throw new Error(`CLUSTER=${kind}: there is embedded and kubernetes`)
  if (authority !== 'auto' && authority !== 'alone' && authority !== 'beside') {
    throw new Error(`AUTHORITY=${authority}: there is auto, alone and beside`)
  }
  return {
    kind,
    url: apiUrl(variables.KUBE_API_URL || IN_CLUSTER_URL),
    ...(variables.KUBE_TOKEN ? { token: variables.KUBE_TOKEN } : {}),
    authority,
  }
}

/** `subnet=a..b,c;other=d`: the ranges of each Subnet's window. */
export function windowsOf(text: string): ReadonlyMap<string, readonly string[]> {
  const windows = new Map<string, readonly string[]>()
  for (const part of text.split(';')) {
    if (part.trim() === '') continue
    const [name = '', ranges, more] = part.split('=').map((word) => word.trim())
    const texts = (ranges ?? '').split(',').map((word) => word.trim())
    const wrong = ranges === undefined || more !== undefined || name === '' || windows.has(name)
    if (wrong || windowError(texts)) {
      throw new Error(`WINDOW must be like ovn-default=10.16.0.100..10.16.0.199;other=10.17.1.0/24`)
    }
    windows.set(name, texts)
  }
  return windows
}

function outsideWindowOf(text: string): 'refuse' | 'pin' {
  if (text !== 'refuse' && text !== 'pin') throw new Error(`OUTSIDE_WINDOW=${text}: there is refuse and pin`)
  return text
}

function apiUrl(text: string): string {
  const url = URL.parse(text)
  const isHttp = url?.protocol === 'https:' || url?.protocol === 'http:'
  // A name or password in it would end up in messages, a query in every path.
  if (!url || !isHttp || url.username || url.password || url.search || url.hash) {
    throw new Error('KUBE_API_URL must be like https://host:6443, with a path at most')
  }
  return text.replace(/\/+$/, '')
}

function truth(variables: Variables, name: 'KEEP_VM_IP', otherwise: boolean): boolean {
  const text = variables[name] || String(otherwise)
  if (text !== 'true' && text !== 'false') throw new Error(`${name} must be true or false`)
  return text === 'true'
}

/**
 * The path segment by which the API server proves itself to the admission door; undefined when there is none. It goes
 * into a URL as it is, and is long enough that nobody guesses it.
 */
export function admissionSecretOf(variables: Variables): string | undefined {
  const secret = variables.ADMISSION_SECRET || undefined
  if (secret !== undefined && !/^[A-Za-z0-9_-]{32,256}$/.test(secret)) {
    throw new Error('ADMISSION_SECRET must be 32 to 256 letters, digits, - or _')
  }
  return secret
}

function daysOf(text: Variable): number | undefined {
  if (!text) return undefined
  if (!/^[1-9]\d{0,4}$/.test(text)) throw new Error('AUDIT_DAYS must be a whole number of days')
  return Number(text) * 86_400_000
}

function milliseconds(
  variables: Variables,
  name: 'ACK_MS' | 'CONTROLLER_MS' | 'STRAGGLER_MS' | 'QUARANTINE_MS' | 'WAIT_MS',
  otherwise: number,
): number {
  const text = variables[name]
  if (text === undefined || text === null || text === '') return otherwise
  if (!/^\d{1,12}$/.test(text)) throw new Error(`${name} must be a whole number of ms`)
  return Number(text)
}
