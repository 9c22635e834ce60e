/**
 * The yardstick: one Subnet as anybody would write it first, a boolean an address, scanned from the start, with maps
 * for NICs and MACs. Not Kube-OVN's order, only its task.
 */
export class NaiveSubnet {
  private readonly first: number
  private readonly taken: boolean[]
  private readonly nics = new Map<string, { readonly address: number; readonly mac: string }>()
  private readonly owners = new Map<number, string>()
  private readonly macs = new Map<string, string>()
  private drawn = 0

  constructor(first: number, count: number) {
    this.first = first
    this.taken = new Array<boolean>(count).fill(false)
  }

  allocate(nic: string, owner: string): number | undefined {
    for (let i = 0; i < this.taken.length; i++) {
      if (this.taken[i]) continue
      this.taken[i] = true
      const mac = `02:${this.drawn++}`
      this.nics.set(nic, { address: this.first + i, mac })
      this.owners.set(this.first + i, owner)
      this.macs.set(mac, owner)
      return this.first + i
    }
    return undefined
  }

  release(nic: string): boolean {
    const held = this.nics.get(nic)
    if (held === undefined) return false
    this.nics.delete(nic)
    this.owners.delete(held.address)
    this.macs.delete(held.mac)
    this.taken[held.address - this.first] = false
    return true
  }
}
