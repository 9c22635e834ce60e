/**
 * The form of an audit line and its place in the chain, apart from any ledger: whoever has the lines can check them.
 * A line is JSON; `hash`, its last member, is SHA-256 [FIPS 180-4] in hex of the UTF-8 text of the line without it.
 * `previous` is the hash of the line before it in the same space, so nothing can be taken out or changed unseen.
 */
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js'

/** What was done. Everything from `strand` on happens by itself. */
export const AUDIT_VERBS = [
  'reserve',
  'adopt',
  'release',
  'transfer',
  'renew',
  'end',
  'keep',
  'strand',
  'return',
  'contest',
  'settle',
  'remake',
] as const
export type AuditVerb = (typeof AUDIT_VERBS)[number]

/** By which door whoever did it came in; `cluster`: Berth did it by itself, for what it saw there. */
export const AUDIT_DOORS = ['http', 'admission', 'git', 'chat', 'events', 'repair', 'cluster'] as const
export type AuditDoor = (typeof AUDIT_DOORS)[number]

/** `previous` of the first line of a space. */
export function genesisOf(space: string): string {
  return digest(`berth audit ${space}`)
}

/** @param body a line without its hash */
export function digest(body: string): string {
  return bytesToHex(sha256(utf8ToBytes(body)))
}

/** A line: its body with its hash. */
export function sealed(body: string, hash: string): string {
  return `${body.slice(0, -1)},"hash":"${hash}"}`
}

/** What a verification found of one space. */
export interface ChainReport {
  readonly space: string
  readonly first: number
  readonly last: number
  /** Hash of the last line: with it, kept elsewhere, a chain that was cut short at its end is told from a whole one. */
  readonly head: string
  /** The chain begins later than its first line: what was before is past its retention, or was left out. */
  readonly isWhole: boolean
  /** The first thing that is wrong. */
  readonly fault?: string
}

/** Verifies lines of any number of spaces, each in its own order. */
export class ChainVerifier {
  readonly #spaces = new Map<
    string,
    { first: number; last: number; head: string; isWhole: boolean; fault?: string }
  >()
  #stray: string | undefined

  take(line: string, number: number): void {
    const parsed = entryIn(line)
    if (!parsed) {
      this.#stray ??= `line ${number} is no audit line`
      return
    }
    const { space, seq, previous, hash, body } = parsed
    const known = this.#spaces.get(space)
    const genesis = genesisOf(space)
    const at = known ?? {
      first: seq,
      last: seq - 1,
      head: previous,
      isWhole: seq === 1 && previous === genesis,
    }
    this.#spaces.set(space, at)
    if (at.fault !== undefined) return
    if (seq !== at.last + 1) at.fault = `line ${number}: ${at.last + 1} is missing, ${seq} follows ${at.last}`
    else if (seq === 1 && previous !== genesis)
      at.fault = `line ${number}: the first of ${space} has a line before it`
    else if (previous !== at.head) at.fault = `line ${number}: ${seq} does not follow the line before it`
    else if (digest(body) !== hash) at.fault = `line ${number}: ${seq} was changed`
    at.last = seq
    at.head = hash
  }

  report(): { readonly spaces: readonly ChainReport[]; readonly stray?: string } {
    const spaces = [...this.#spaces].map(([space, found]) => ({ space, ...found }))
    return { spaces, ...(this.#stray === undefined ? {} : { stray: this.#stray }) }
  }
}

function entryIn(line: string):
  | {
      readonly space: string
      readonly seq: number
      readonly previous: string
      readonly hash: string
      readonly body: string
    }
  | undefined {
  const found = /^(\{.*),"hash":"([0-9a-f]{64})"\}$/.exec(line)
  if (!found) return undefined
  const body = `${found[1]}}`
  try {
    const { space, seq, previous } = JSON.parse(body) as Record<string, unknown>
    if (typeof space !== 'string' || typeof previous !== 'string' || !Number.isSafeInteger(seq))
      return undefined
    return { space, seq: seq as number, previous, hash: found[2] ?? '', body }
  } catch {
    return undefined
  }
}
