import type { Counters } from './counters.ts'

/** What a long run has to reach, or it has proved nothing about it. */
export const REACH: readonly string[] = [
  ...[1, 2, 4, 5, 7, 8, 10, 11, 12, 13, 14, 16, 18, 19, 20, 21].map((point) => `P${point}`),
  ...['busy', 'unavailable', 'failed_after', 'reply_lost', 'dropped', 'straggles'].map(
    (kind) => `fault ${kind}`,
  ),
  ...['fault overloaded', 'fault alarm runs twice', 'fault watch too old', 'evicted'],
  ...['before a flush', 'before an alarm', 'a call leaves', 'a call was carried out'].map(
    (at) => `death ${at}`,
  ),
  ...['heard', 'done', 'flushed'].map((at) => `death a ledger call is ${at}`),
  ...['kill', 'evict', 'kill everything', 'compact', 'clock', 'stall'].map((what) => `break ${what}`),
  'leases ended',
  ...[
    'free to held',
    'held to bound',
    'held to free',
    'held to releasing',
    'held to quarantined',
    'bound to releasing',
    'bound to stranded',
    'stranded to bound',
    'stranded to releasing',
    'releasing to quarantined',
    'releasing to free',
    'quarantined to held',
    'quarantined to free',
    'free to foreign',
    'foreign to bound',
    'foreign to quarantined',
    'foreign to releasing',
  ].map((transition) => `transition ${transition}`),
]

/** Points that no run of mode `alone` can reach, and why. */
export const OUT_OF_REACH: Readonly<Record<string, string>> = {
  P3: 'reads come before the hold, and the first attempt is written with it: P2 is P3',
  P6: 'only beside the controller an acknowledgement is awaited',
  P9: 'only beside the controller a fence patches a finalizer on',
  P15: 'alone, every object of ours is made with its finalizer',
  P17: 'no model of OVN is plugged in yet',
  P22: 'no admission door is plugged in yet',
}

export const unreached = ({ counts }: Counters): readonly string[] =>
  REACH.filter((what) => (counts.get(what) ?? 0) === 0)
