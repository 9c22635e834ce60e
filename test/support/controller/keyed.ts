/** One at a time for each key, in the order asked [pkg/controller: subnetKeyMutex, podKeyMutex, ippoolKeyMutex]. */
export class KeyMutex {
  private readonly last = new Map<string, Promise<unknown>>()

  async hold<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.last.get(key)
    const mine = (async () => {
      await before?.catch(() => {})
      return work()
    })()
    this.last.set(key, mine)
    try {
      return await mine
    } finally {
      if (this.last.get(key) === mine) this.last.delete(key)
    }
  }
}
