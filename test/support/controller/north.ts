/** A logical switch port as far as the controller looks at it (semantics.md §7). */
export interface Port {
  readonly name: string
  /** `MAC v4 v6`, or the MAC alone. */
  readonly addresses: readonly string[]
  readonly externalIds: Readonly<Record<string, string>>
}

/** What the controller asks of OVN's northbound database. */
export interface NorthPorts {
  get(name: string): Promise<Port | undefined>
  /** Those whose external_ids hold all of these. */
  list(externalIds: Readonly<Record<string, string>>): Promise<readonly Port[]>
  /** Creates the port, or replaces the one of that name. */
  put(port: Port): Promise<void>
  delete(name: string): Promise<void>
}

/** The database in memory; it outlives the controller. */
export class MemoryNorth implements NorthPorts {
  private readonly ports = new Map<string, Port>()

  async get(name: string): Promise<Port | undefined> {
    return this.ports.get(name)
  }

  async list(externalIds: Readonly<Record<string, string>>): Promise<readonly Port[]> {
    const wanted = Object.entries(externalIds)
    return this.all().filter((port) => wanted.every(([key, value]) => port.externalIds[key] === value))
  }

  async put(port: Port): Promise<void> {
    this.ports.set(port.name, port)
  }

  async delete(name: string): Promise<void> {
    this.ports.delete(name)
  }

  /** By name. */
  all(): readonly Port[] {
    return [...this.ports.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  }
}
