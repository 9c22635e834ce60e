import type { Step, Turns } from '../turns.ts'

/** A step that waits for its turn. */
export interface Parked {
  readonly step: Step
  readonly sinceMs: number
  readonly go: () => void
  /** Others were let pass once; from then on it goes when nobody else can. */
  postponed: boolean
}

/**
 * Turns in the hands of a search: nothing goes on until it is released. Where more than one step could go on, `choices`
 * says which; past its end the first is taken. `taken` tells how many there were, so that a search can try the others.
 */
export class Guide implements Turns {
  readonly parked: Parked[] = []
  readonly taken: { readonly pick: number; readonly of: number }[] = []
  private readonly choices: readonly number[]
  private readonly nowMs: () => number

  constructor(choices: readonly number[], nowMs: () => number) {
    this.choices = choices
    this.nowMs = nowMs
  }

  next(step: Step): Promise<void> {
    return new Promise((resolve) => {
      const parked: Parked = {
        step,
        sinceMs: this.nowMs(),
        postponed: false,
        go: () => {
          this.parked.splice(this.parked.indexOf(parked), 1)
          resolve()
        },
      }
      this.parked.push(parked)
    })
  }

  /** The first of these, or another: then those before it are postponed. */
  pick(options: readonly Parked[]): Parked {
    const pick = options.length === 1 ? 0 : this.choose(options.length)
    for (const passed of options.slice(0, pick)) passed.postponed = true
    return options[pick]!
  }

  /** One of so many. */
  choose(of: number): number {
    const pick = this.choices[this.taken.length] ?? 0
    this.taken.push({ pick, of })
    return pick
  }
}

interface Candidate {
  readonly choices: readonly number[]
  /** How far the run came whose choice this one changes. */
  readonly reached: number
  /** Choices that are not the first. */
  readonly strange: number
  /** How long before that run's end the change is. */
  readonly early: number
}

/**
 * Best first: what changes a choice of the run that came farthest, then what has the fewest strange choices, then what
 * changes the latest one.
 */
export class Search {
  private readonly open: Candidate[] = [{ choices: [], reached: 0, strange: 0, early: 0 }]
  private readonly seen = new Set<string>()

  next(): readonly number[] | undefined {
    let best = 0
    for (let index = 1; index < this.open.length; index++)
      if (before(this.open[index]!, this.open[best]!)) best = index
    return this.open.splice(best, 1)[0]?.choices
  }

  /** A run was wrong after so many steps: every choice it made beyond `choices` could have been another. */
  failed(choices: readonly number[], taken: Guide['taken'], reached: number): void {
    const strange = choices.filter((pick) => pick !== 0).length
    for (let at = taken.length - 1; at >= 0; at--) {
      const prefix = taken.slice(0, at).map(({ pick }) => pick)
      for (let pick = 0; pick < taken[at]!.of; pick++) {
        if (pick === taken[at]!.pick) continue
        const next = [...prefix, pick]
        const key = next.join()
        if (this.seen.has(key)) continue
        this.seen.add(key)
        this.open.push({ choices: next, reached, strange: strange + 1, early: taken.length - at })
      }
    }
  }
}

function before(a: Candidate, b: Candidate): boolean {
  if (a.reached !== b.reached) return a.reached > b.reached
  if (a.strange !== b.strange) return a.strange < b.strange
  return a.early < b.early
}
