/** One deliberate bug: edits of a scratch copy, never of this tree, and the invariants that must notice it. */
export interface Mutation {
  readonly id: string
  readonly what: string
  readonly caughtBy: readonly string[]
  readonly edits: readonly Edit[]
  /** A seed that caught it, for CI. */
  readonly seed?: number
}

export interface Edit {
  readonly file: string
  /** Stands there exactly once; a copy that does not have it any more fails the run. */
  readonly find: string
  readonly put: string
}

/** M1-M15 of faults.md (d), as far as mode `alone` can see them. */
export const MUTATIONS: readonly Mutation[] = [
  {
    id: 'M1',
    seed: 18,
    what: 'DELETE without UID precondition: whatever has the name goes',
    caughtBy: ['15', '4'],
    edits: [
      {
        file: 'shared/ledger/learn.ts',
        find: `const ours = object.whose === 'ours' || object.uid === item.uid`,
        put: 'const ours = true',
      },
    ],
  },
  {
    id: 'M2',
    seed: 1,
    what: 'the address is given up before the 404',
    caughtBy: ['11', '1'],
    edits: [
      {
        file: 'shared/ledger/learn.ts',
        find: `if (object.finalizer) return { ...known, stage: 'unfinalize' }`,
        put: `if (object.finalizer) return { ...known, stage: 'gone' }`,
      },
    ],
  },
  {
    id: 'M3',
    seed: 1,
    what: 'the doubt of a POST is noted after the call, not before it',
    caughtBy: ['3', '1', '11'],
    edits: [
      {
        file: 'shared/ledger/operations.ts',
        find: `if (call.verb !== 'create') return rest`,
        put: `if (call.verb !== 'create' || timing.nowMs > 0) return rest`,
      },
    ],
  },
  {
    id: 'M4',
    seed: 72,
    what: 'replies and calls leave before the commit is flushed',
    caughtBy: ['21', '18'],
    edits: [
      {
        file: 'test/simulation/durable-object.ts',
        find: `if (!this.storage.dirty) return Promise.resolve()`,
        put: `if (this.schedule.passedMs >= 0) return Promise.resolve()`,
      },
    ],
  },
  {
    id: 'M7',
    seed: 1,
    what: 'a 404 right after an unknown POST is taken for absence',
    caughtBy: ['11', '3'],
    edits: [
      {
        file: 'shared/ledger/learn.ts',
        find: `if (item.proofMs === undefined || timing.issuedMs >= item.proofMs) return { ...item, stage: 'gone' }`,
        put: `if (timing.issuedMs >= 0) return { ...item, stage: 'gone' }`,
      },
    ],
  },
  {
    id: 'M8',
    what: 'a late driver is not told from the present one',
    // Survives the first hundreds of seeds: a late report of what is true does no harm, and a false one is rare.
    caughtBy: ['18', '4', '11', '3'],
    edits: [
      {
        file: 'shared/ledger/steps.ts',
        find: `if (op?.state !== 'running' || op.driver !== told.driver || op.attempt !== told.attempt) {`,
        put: `if (op === undefined) {`,
      },
    ],
  },
  {
    id: 'M9',
    seed: 4,
    what: 'a key is kept without the hash of its body',
    caughtBy: ['5'],
    edits: [
      {
        file: 'shared/ledger/hold.ts',
        find: 'if (row.hash !== request.bodyHash) {',
        put: `if (row.hash === '') {`,
      },
    ],
  },
  {
    id: 'M12',
    seed: 8,
    what: 'v4 is kept when v6 fails',
    caughtBy: ['10', '7'],
    edits: [
      {
        file: 'shared/ipam/subnet.ts',
        find: `const v6 = this.choose(request, 6, check)
    if (typeof v6 === 'object') return err(v6)`,
        put: `const chosen = this.choose(request, 6, check)
    const v6 = typeof chosen === 'object' ? undefined : chosen`,
      },
    ],
  },
  {
    id: 'M13',
    seed: 2,
    what: 'an object that is deleted ends its promise',
    caughtBy: ['4'],
    edits: [
      {
        file: 'shared/ledger/observe.ts',
        find: '} else reassert(space, row)',
        put: '} else free(space, row)',
      },
      {
        file: 'shared/ledger/observe.ts',
        find: 'import { claimFor, contest, isPromised, unclaim }',
        put: `import { free } from './ending.ts'
import { claimFor, contest, isPromised, unclaim }`,
      },
    ],
  },
  {
    id: 'M14',
    seed: 2,
    what: 'a shrink drops the rows outside',
    caughtBy: ['14'],
    edits: [
      {
        file: 'shared/ledger/subnet.ts',
        find: `space.leases.update(row, { state: 'stranded', bit: false, epoch: row.epoch + 1 })`,
        put: 'free(space, row)',
      },
    ],
  },
  {
    id: 'M15',
    seed: 1,
    what: 'counters are not taken back with their transaction',
    caughtBy: ['8', '19'],
    edits: [{ file: 'shared/ledger/space.ts', find: 'this.counted = before.counts', put: '' }],
  },
]

/** Those that need more than this mode has. */
export const WAITING: Readonly<Record<string, string>> = {
  M5: 'a finalizer taken as ack although fencing: needs --mode beside',
  M6: 'no read by address after the ack (N1): needs --mode beside',
  M10: 'a port cut by name without wait: needs the model of OVN at the wire',
  M11: 'a fence DELETE without adding the finalizer: needs --mode beside',
}

/** What the simulation found and was mended, undone again: each must be found anew. */
export const UNDONE: readonly Mutation[] = [
  {
    id: 'F1',
    seed: 130,
    what: 'a reserve waits for ever for an object of its own that somebody deletes',
    caughtBy: ['17'],
    edits: [
      {
        file: 'shared/ledger/learn.ts',
        find: 'if (item.beside || !object.finalizer) return delayed',
        put: 'if (timing.nowMs > 0) return delayed',
      },
    ],
  },
  {
    id: 'F2',
    seed: 146,
    what: 'a wish takes an address that cools down',
    caughtBy: ['11'],
    edits: [
      {
        file: 'shared/ledger/place.ts',
        find: `if (holder.state !== 'quarantined' || isWish) return false`,
        put: `if (holder.state !== 'quarantined') return false`,
      },
    ],
  },
  {
    id: 'F3',
    seed: 407,
    what: "what cools down of somebody else's object is given back",
    caughtBy: ['10', '9'],
    edits: [
      {
        file: 'shared/ledger/hold.ts',
        find: 'if (lacks || space.excludes().isGateway(row) || !isKept(space, row)) return undefined',
        put: 'if (!isKept(space, row)) return undefined',
      },
    ],
  },
  {
    id: 'F4',
    seed: 72,
    what: 'a list of the mirror tells ledgers differences only',
    caughtBy: ['3'],
    edits: [
      {
        file: 'shared/cluster/mirror/store.ts',
        find: `if (kind === 'IP' || kind === 'Vip') this.outbox.relistAll()`,
        put: '',
      },
    ],
  },
  {
    id: 'F5',
    seed: 296,
    what: 'news of an object that comes before its promise is made is lost',
    caughtBy: ['3'],
    edits: [
      {
        file: 'shared/ledger/follow.ts',
        find: 'if (news.size === 0) return',
        put: 'if (news.size >= 0) return',
      },
    ],
  },
]
