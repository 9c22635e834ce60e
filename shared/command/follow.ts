import type { Answer, LedgerPort, Opened } from '../ledger/port.ts'
import { type Budget, pending } from './budget.ts'
import { drive } from './drive.ts'
import type { CommandPorts } from './ports.ts'
import type { WriteOutcome } from './types.ts'

/** How long to follow, and how an answer is told. */
export interface Following {
  /** When the ledger was asked. */
  readonly askedMs: number
  readonly budget: Budget
  readonly told: (answer: Answer) => WriteOutcome
}

/**
 * Follows what a ledger opened to its outcome: drives it, or waits for whoever does.
 * @returns undefined where an operation that was in the way has ended: ask again
 */
export async function follow(
  ports: CommandPorts,
  ledger: LedgerPort,
  opened: Exclude<Opened, { kind: 'unconfigured' }>,
  { askedMs, budget, told }: Following,
): Promise<WriteOutcome | undefined> {
  const { leftMs, otherwise } = budget
  switch (opened.kind) {
    case 'answer':
      return told(opened.answer)
    case 'drive': {
      otherwise(pending(opened.op))
      const limits = { budgetMs: leftMs(), askedMs }
      const driven = await drive({ ...ports, ledger }, opened.leases, opened.next, limits)
      return driven.kind === 'answer' ? told(driven.answer) : pending(opened.op, driven.retryAfterMs)
    }
    case 'join': {
      otherwise(pending(opened.op))
      const answer = await ledger.settled(opened.op, leftMs())
      if (!answer) return pending(opened.op)
      return told(opened.joined && answer.kind === 'done' ? { ...answer, created: false } : answer)
    }
    case 'busy': {
      const inTheWay: WriteOutcome = { kind: 'refused', problem: opened.problem }
      otherwise(inTheWay)
      const waitMs = leftMs()
      const settled = waitMs > 0 ? await ledger.settled(opened.op, waitMs) : undefined
      return settled && leftMs() > 0 ? undefined : inTheWay
    }
    default:
      return opened satisfies never
  }
}
