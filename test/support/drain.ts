import type { ManualClock } from './clock.ts'

/** Lets everything happen that needs no time: promises that wait for promises. */
export async function drain(): Promise<void> {
  for (let turn = 0; turn < 200; turn++) await Promise.resolve()
}

/** The promise's value, moving the clock in small steps until it is there; at most `limitMs`. */
export async function inTime<T>(clock: ManualClock, promise: Promise<T>, limitMs = 600_000): Promise<T> {
  let value: { readonly is: T } | undefined
  let failure: { readonly is: unknown } | undefined
  promise.then(
    (is) => {
      value = { is }
    },
    (is) => {
      failure = { is }
    },
  )
  for (let passedMs = 0; passedMs <= limitMs; passedMs += 50) {
    await drain()
    if (failure) throw failure.is
    if (value) return value.is
    clock.advance(50)
  }
  throw new Error(`nothing within ${limitMs} ms`)
}

/** Moves on by `ms` in small steps, with everything that follows. */
export async function pass(clock: ManualClock, ms: number): Promise<void> {
  for (let passedMs = 0; passedMs < ms; passedMs += 50) {
    clock.advance(50)
    await drain()
  }
}
