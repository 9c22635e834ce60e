import type { Logical } from './logical.ts'

/** No reservation; one whose id nobody was told; or its id. */
type State = 'none' | 'some' | string

/**
 * Whether some order of these operations on one name explains every answer: each takes effect at one moment between its
 * beginning and its end (Wing and Gong's search, with the states seen remembered). Reservations in several Subnets under
 * one name are several names.
 * @returns the longest part that could be explained, or undefined when all of it can
 */
export function unexplained(operations: readonly Logical[]): string | undefined {
  const ops = [...operations].sort((one, other) => one.fromMs - other.fromMs)
  if (ops.length > 30) return undefined
  const seen = new Set<string>()
  let best = 0
  const search = (done: number, state: State): boolean => {
    const memo = `${done} ${state}`
    if (seen.has(memo)) return false
    seen.add(memo)
    best = Math.max(best, countBits(done))
    const left = ops.filter((_, index) => (done & (1 << index)) === 0)
    if (left.every(({ isOptional }) => isOptional)) return true
    const firstEndMs = Math.min(...left.map(({ toMs }) => toMs))
    for (const [index, op] of ops.entries()) {
      if ((done & (1 << index)) !== 0 || op.fromMs > firstEndMs) continue
      for (const next of after(op, state)) {
        if (search(done | (1 << index), next)) return true
      }
    }
    return false
  }
  if (search(0, 'none')) return undefined
  return ops
    .map(({ kind, fromMs, toMs, reservation, created, isOptional }) => {
      const what = reservation ? `${reservation.id} ${reservation.state}` : isOptional ? 'unknown' : 'nothing'
      return `${kind}${created ? '+' : ''} [${fromMs}..${toMs}] ${what}`
    })
    .join('; ')
}

/** States that an operation may leave behind, one it cannot have met that answer in leaving none. */
function after({ kind, reservation, isOptional, created }: Logical, state: State): readonly State[] {
  switch (kind) {
    case 'reserve':
      if (isOptional) return state === 'none' ? ['some'] : [state]
      if (!reservation) return []
      if (created === undefined && state === 'none') return [reservation.id]
      if (created) return state === 'none' || state === 'some' ? [reservation.id] : []
      return state === 'some' || state === reservation.id ? [reservation.id] : []
    case 'release':
      return ['none']
    case 'read':
      if (reservation === undefined) return state === 'none' || state === 'some' ? [state] : []
      // What is on its way, or somebody else's, says nothing of what stands.
      if (reservation.state !== 'bound' && reservation.state !== 'stranded') return [state]
      return state === 'some' || state === reservation.id ? [reservation.id] : []
    default:
      return kind satisfies never
  }
}

function countBits(bits: number): number {
  let count = 0
  for (let left = bits; left !== 0; left &= left - 1) count++
  return count
}
