import type { EmbeddedStore } from '../../shared/cluster/embedded/store.ts'
import type { KubeObject } from '../../shared/cluster/port.ts'
import { seenIp } from '../../shared/command/seen.ts'
import type { IpSpec } from '../../shared/kube-ovn/ip-object.ts'
import type { IpNews, LedgerPort, SeenIp } from '../../shared/ledger/port.ts'
import type { Problem } from '../../shared/problem.ts'
import { ok, type Result } from '../../shared/result.ts'

/** Tells ledgers of the IP objects of a store: all at one moment, or what changed since the last time. */
export class Mirror {
  private readonly store: EmbeddedStore
  private readonly ledger: (subnet: string) => LedgerPort
  private readonly versions = new Map<string, string>()
  private lists = 0

  constructor(store: EmbeddedStore, ledger: (subnet: string) => LedgerPort) {
    this.store = store
    this.ledger = ledger
  }

  /** A whole list, in parts of `size`. */
  async list(subnet: string, size = 1_000): Promise<Result<undefined, Problem>> {
    for (const news of this.parts(subnet, size)) {
      const taken = await this.ledger(subnet).observe(news)
      if (!taken.ok) return taken
    }
    return ok(undefined)
  }

  /** The parts of a list as it is now. */
  parts(subnet: string, size = 1_000): IpNews[] {
    const listed = this.store.list('IP', { limit: 10_000 })
    if (!listed.ok) throw new Error(listed.error.message)
    const version = listed.value.resourceVersion
    const objects = listed.value.items.filter((object) => isIn(object, subnet)).map(seenIp)
    this.versions.set(subnet, version)
    const list = `list-${this.lists++}`
    const count = Math.max(1, Math.ceil(objects.length / size))
    return Array.from({ length: count }, (_, part) => ({
      kind: 'list',
      list,
      last: part === count - 1,
      version,
      objects: objects.slice(part * size, (part + 1) * size),
    }))
  }

  /** What changed since the last list or change, as one piece of news. */
  async changes(subnet = 'ovn-default'): Promise<IpNews> {
    const news = this.news(subnet)
    const taken = await this.ledger(subnet).observe(news)
    if (!taken.ok) throw new Error(taken.error.detail)
    return news
  }

  news(subnet: string): IpNews {
    const objects = new Map<string, SeenIp>()
    const gone = new Map<string, { name: string; uid: string }>()
    let version = this.versions.get(subnet) ?? '0'
    for (;;) {
      const page = this.store.eventsSince({ kind: 'IP', resourceVersion: version })
      if (!page.ok) throw new Error(page.error.message)
      for (const event of page.value.events) {
        const seen = seenIp(event.object)
        if (event.type === 'DELETED' || !isIn(event.object, subnet)) {
          objects.delete(seen.name)
          gone.set(seen.uid, { name: seen.name, uid: seen.uid })
        } else objects.set(seen.name, seen)
      }
      if (page.value.resourceVersion === version) break
      version = page.value.resourceVersion
    }
    this.versions.set(subnet, version)
    return { kind: 'changes', version, objects: [...objects.values()], gone: [...gone.values()] }
  }
}

function isIn(object: KubeObject, subnet: string): boolean {
  return (object.spec as Partial<IpSpec> | undefined)?.subnet === subnet
}
