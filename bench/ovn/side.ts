import { type OvnNorthbound, startNorthbound } from '../../infra/peers/ovn.ts'
import { nodeTcp } from '../../infra/peers/tcp.ts'
import { systemClock } from '../../shared/clock.ts'
import { Northbound } from '../../shared/ovn/northbound.ts'
import type { Operation } from '../../shared/ovn/ovsdb/messages.ts'
import { map, namedUuid, set } from '../../shared/ovn/ovsdb/notation.ts'
import { parseRemotes } from '../../shared/ovn/ovsdb/remotes.ts'
import { Session } from '../../shared/ovn/ovsdb/session.ts'
import { systemRandom } from '../../shared/random.ts'

export const SWITCH = 'ovn-default'
/** Ports written in one transaction while the database is filled. */
const BATCH = 1_000

/** A database with so many ports on one switch, and two clients: Berth's, and one that writes ports. */
export class Side {
  readonly northbound: OvnNorthbound
  readonly #ovn: Northbound
  readonly #writer: Session
  #made = 0

  private constructor(northbound: OvnNorthbound) {
    const remotes = parseRemotes(northbound.remotes)
    if (!remotes.ok) throw new Error(remotes.error)
    const parts = { tcp: nodeTcp(), clock: systemClock, random: systemRandom, remotes: remotes.value }
    this.northbound = northbound
    this.#ovn = new Northbound(parts)
    this.#writer = new Session({ ...parts, database: 'OVN_Northbound' })
  }

  static async open(ports: number): Promise<Side> {
    const side = new Side(await startNorthbound())
    await side.northbound.nbctl('ls-add', SWITCH)
    await side.fill(ports)
    return side
  }

  async close(): Promise<void> {
    this.#ovn.close()
    this.#writer.close()
    await this.northbound.stop()
  }

  /** Number of the next port. */
  get next(): number {
    return this.#made + 1
  }

  async fill(ports: number): Promise<void> {
    for (let left = ports; left > 0; left -= BATCH) await this.addPorts(Math.min(BATCH, left))
  }

  /** As Kube-OVN writes them. @returns the last one's number and uuid */
  async addPorts(count: number) {
    const numbers = Array.from({ length: count }, () => ++this.#made)
    const inserts = numbers.map((n): Operation => {
      const address = `0a:00:00:00:${hex(n >> 8)}:${hex(n)} 10.16.${(n >> 8) & 255}.${n & 255}`
      const ids = { vendor: 'kube-ovn', ls: SWITCH, pod: `bench/pod-${n}` }
      const row = { name: portName(n), addresses: address, external_ids: map(Object.entries(ids)) }
      return { op: 'insert', table: 'Logical_Switch_Port', row, 'uuid-name': `port${n}` }
    })
    const made = set(numbers.map((n) => namedUuid(`port${n}`)))
    const done = await this.#writer.transact([
      ...inserts,
      {
        op: 'mutate',
        table: 'Logical_Switch',
        where: [['name', '==', SWITCH]],
        mutations: [['ports', 'insert', made]],
      },
    ])
    if (!done.ok) throw new Error(done.error.message)
    // The server tidies up after it has answered; the next one is not to wait for that.
    for (let turn = 0; turn < 3; turn++) await this.#ovn.status()
    await new Promise((resolve) => setTimeout(resolve, 1))
    return { n: this.#made, uuid: done.value[count - 1]?.uuid }
  }

  /** ms of the one transaction that cannot be done without: the port leaves the switch, nothing is looked at. */
  async bare(): Promise<number> {
    const { uuid } = await this.addPorts(1)
    if (!uuid) throw new Error('no port was made')
    const from = performance.now()
    const done = await this.#writer.transact([
      {
        op: 'mutate',
        table: 'Logical_Switch',
        where: [['name', '==', SWITCH]],
        mutations: [['ports', 'delete', uuid]],
      },
    ])
    if (!done.ok) throw new Error(done.error.message)
    return performance.now() - from
  }

  /** ms to find and delete a port that was just written. */
  async berth(): Promise<number> {
    const { n } = await this.addPorts(1)
    const from = performance.now()
    await this.cut(n, await this.find(n))
    return performance.now() - from
  }

  /** @returns the port's uuid */
  async find(n: number): Promise<string> {
    const [found] = await this.#ovn.send([{ verb: 'name', owner: ownerOf(n) }])
    if (found?.result !== 'found') throw new Error(`port ${n} was not found: ${JSON.stringify(found)}`)
    return found.port.uuid
  }

  async cut(n: number, uuid: string): Promise<void> {
    const [cut] = await this.#ovn.send([{ verb: 'cut', owner: ownerOf(n), uuid }])
    if (cut?.result !== 'cut') throw new Error(`port ${n} was not cut: ${JSON.stringify(cut)}`)
  }

  /** The same by ovn-nbctl, in one process. */
  async nbctl(): Promise<number> {
    const { n } = await this.addPorts(1)
    const name = portName(n)
    const from = performance.now()
    const shown = await this.northbound.nbctl('list', 'logical_switch_port', name, '--', 'lsp-del', name)
    if (!shown.includes(name)) throw new Error(`ovn-nbctl did not find ${name}`)
    return performance.now() - from
  }
}

const ownerOf = (n: number) => ({ name: portName(n), subnet: SWITCH, pod: `bench/pod-${n}` })
export const portName = (n: number): string => `pod-${n}.bench`
const hex = (byte: number): string => (byte & 255).toString(16).padStart(2, '0')
