/** How often each thing that a run is there to reach was reached. */
export class Counters {
  readonly counts = new Map<string, number>()

  hit(what: string, times = 1): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + times)
  }
}
