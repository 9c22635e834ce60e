/** A small seeded generator (sfc32): the same seed gives the same choices on every machine. */
export class Prng {
  private a: number
  private b: number
  private c: number
  private counter = 1

  constructor(...seeds: readonly number[]) {
    this.a = 0x9e3779b9
    this.b = 0x243f6a88
    this.c = 0xb7e15162
    for (const seed of seeds) {
      this.a ^= seed | 0
      this.b = (this.b + Math.imul(seed | 0, 0x85ebca6b)) | 0
      for (let turn = 0; turn < 12; turn++) this.bits()
    }
  }

  /** 32 random bits. */
  bits(): number {
    const sum = (((this.a + this.b) | 0) + this.counter) | 0
    this.counter = (this.counter + 1) | 0
    this.a = this.b ^ (this.b >>> 9)
    this.b = (this.c + (this.c << 3)) | 0
    this.c = ((this.c << 21) | (this.c >>> 11)) + sum
    return sum >>> 0
  }

  /** An integer from 0 to below `limit`. */
  below(limit: number): number {
    return Math.floor((this.bits() / 2 ** 32) * limit)
  }

  between(low: number, high: number): number {
    return low + this.below(high - low + 1)
  }

  chance(probability: number): boolean {
    return this.bits() / 2 ** 32 < probability
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)]
    if (item === undefined) throw new RangeError('nothing to pick from')
    return item
  }

  /** One of the names, as often as its weight says. */
  weighted<Name extends string>(weights: Readonly<Record<Name, number>>): Name {
    const entries = Object.entries(weights) as [Name, number][]
    let point = (this.bits() / 2 ** 32) * entries.reduce((sum, [, weight]) => sum + weight, 0)
    for (const [name, weight] of entries) {
      point -= weight
      if (point < 0) return name
    }
    throw new RangeError('no weights')
  }

  id(): string {
    return `${this.bits().toString(36)}${this.bits().toString(36)}`
  }
}
