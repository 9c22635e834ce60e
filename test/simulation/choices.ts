/**
 * Every choice of a run: which of two events comes first, how long a call takes, whether something breaks. All come from
 * one stream of small integers in which 0 is the calm answer (earliest, no fault). A seed makes the stream; what was
 * taken is recorded, and a recorded stream makes the same run. Past the end of a recorded one everything is calm.
 */
export class Choices {
  /** What was chosen so far. */
  readonly taken: number[] = []
  private readonly given: readonly number[] | undefined
  private state: number

  constructor(from: { readonly seed: number } | { readonly stream: readonly number[] }) {
    this.given = 'stream' in from ? from.stream : undefined
    this.state = 'seed' in from ? from.seed >>> 0 : 0
  }

  /** An integer below `count`, each as likely. */
  pick(count: number): number {
    return this.take(count, (draw) => draw % count)
  }

  /** True once in `oneIn` times. */
  chance(oneIn: number): boolean {
    return this.take(2, (draw) => (draw % oneIn === 0 ? 1 : 0)) === 1
  }

  /** An index into `weights`; how often each comes is its weight. */
  weighted(weights: readonly number[]): number {
    const total = weights.reduce((sum, weight) => sum + weight, 0)
    return this.take(weights.length, (draw) => {
      let left = draw % total
      return weights.findIndex((weight) => {
        left -= weight
        return left < 0
      })
    })
  }

  private take(count: number, drawn: (draw: number) => number): number {
    const at = this.taken.length
    const value = this.given ? Math.min(this.given[at] ?? 0, count - 1) : drawn(this.next())
    this.taken.push(value)
    return value
  }

  /** mulberry32. */
  private next(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(this.state ^ (this.state >>> 15), this.state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 0
  }
}
