/** One line of the table. `aim` in the same unit, smaller is better. */
export interface Measurement {
  readonly name: string
  readonly value: number
  readonly unit: 'µs' | 'ms' | 'bytes' | 'rows' | 'ratio' | '1/s'
  readonly aim?: number
  /** The naive way's figure in the same run: what makes numbers from two machines comparable. */
  readonly naive?: number
}

/** A named set of measurements; `run` yields them as they come. */
export interface Suite {
  readonly name: string
  run(): Iterable<Measurement> | AsyncIterable<Measurement>
}

/** Microseconds a call, the best of some rounds: the machine is shared, the slow rounds measure the neighbours. */
export function microseconds(calls: number, rounds: number, body: (i: number) => void): number {
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < rounds; round++) {
    const startMs = performance.now()
    for (let i = 0; i < calls; i++) body(i)
    best = Math.min(best, ((performance.now() - startMs) * 1000) / calls)
  }
  return best
}
