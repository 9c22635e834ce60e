import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type RunningWorkerd, startWorkerd } from '../../infra/dev/workerd.ts'
import { bareBundle } from './bare/bundle.ts'
import { Client } from './client.ts'
import { contents, Recording, type Statement, type Turn } from './recording.ts'
import { podName, SUBNET, wish } from './wishes.ts'

/** The calls of a reserve, in order; the bare Worker makes the same. */
const CALLS = 'hold send report'
/** Headers that Berth sends and the bare Worker does not, made up for by a longer body. */
const BARE_HEAD_BYTES = 90

/** What the bare Worker has to write, by call; one entry a request. */
export interface BareTurns {
  readonly hold: readonly (readonly Statement[])[]
  readonly send: readonly (readonly Statement[])[]
  readonly report: readonly (readonly Statement[])[]
}

/** Bytes of arguments and reply of each call, and of the HTTP reply's body. */
interface BareSizes {
  readonly hold: readonly [number, number]
  readonly send: readonly [number, number]
  readonly report: readonly [number, number]
  readonly reply: number
}

/** Berth and the bare Worker, each in a process of its own. */
export class Sides {
  berth: RunningWorkerd
  readonly bare: RunningWorkerd
  readonly recording: Recording
  private readonly folder: string
  private readonly control: Client
  private reserved = 0

  private constructor(folder: string, berth: RunningWorkerd, bare: RunningWorkerd, control: Client) {
    this.folder = folder
    this.berth = berth
    this.bare = bare
    this.control = control
    this.recording = new Recording()
  }

  static async open(): Promise<Sides> {
    const folder = mkdtempSync(join(tmpdir(), 'berth-bench-'))
    const berth = await startWorkerd({ port: 0, dataDir: join(folder, 'berth') })
    const bundle = bareBundle(join(folder, 'bundle'))
    const bare = await startWorkerd({ port: 0, dataDir: join(folder, 'bare'), bundle })
    const sides = new Sides(folder, berth, bare, await Client.open(bare.port))
    // The first reserve tells the ledger its Subnet; the bare tables start with what it left.
    await sides.recording.reserve(sides.number())
    await sides.fillTables()
    return sides
  }

  /** A number nobody had yet. */
  number(): number {
    return this.reserved++
  }

  /** Bodies of reserves of Pods nobody reserved for yet. */
  wishes(count: number, subnet = SUBNET): string[] {
    return Array.from({ length: count }, () => JSON.stringify(wish(subnet, podName('real', this.number()))))
  }

  /** Has the bare Worker ready for as many reserves as `count`; returns the bodies to send it. */
  async bareWishes(count: number, replyBytes: number): Promise<string[]> {
    const recorded: Turn[][] = []
    const bodies: string[] = []
    for (let i = 0; i < count; i++) {
      const number = this.number()
      const { turns } = await this.recording.reserve(number)
      recorded.push(checked(turns))
      bodies.push(JSON.stringify(wish(SUBNET, podName('bare', number))))
    }
    const of = (index: number) => recorded.map((turns) => turns[index]!.statements)
    await this.load({ hold: of(0), send: of(1), report: of(2) }, recorded[0]!, replyBytes)
    return bodies
  }

  async load(turns: BareTurns, sizes: readonly Turn[], replyBytes: number): Promise<void> {
    const sizeOf = (index: number) => [sizes[index]!.askedBytes, sizes[index]!.toldBytes] as const
    const bytes: BareSizes = {
      hold: sizeOf(0),
      send: sizeOf(1),
      report: sizeOf(2),
      reply: replyBytes - BARE_HEAD_BYTES,
    }
    await this.tell('/load', { sizes: bytes, ...turns })
  }

  /** Rows and index entries the bare Worker wrote since this was asked last, both objects together. */
  async bareRowsWritten(): Promise<number> {
    const { subnet, cluster } = JSON.parse((await this.control.ask('/rows-written')).body)
    return subnet + cluster
  }

  /** Ends Berth and starts it on the same storage, whose objects nobody has asked yet. */
  async restart(): Promise<{ readonly startMs: number }> {
    await this.berth.stop()
    const startedMs = performance.now()
    this.berth = await startWorkerd({
      port: 0,
      dataDir: join(this.folder, 'berth'),
      readyPath: '/healthz',
    })
    return { startMs: performance.now() - startedMs }
  }

  async close(): Promise<void> {
    this.control.close()
    await Promise.all([this.berth.stop(), this.bare.stop()])
    rmSync(this.folder, { recursive: true, force: true })
  }

  private async fillTables(): Promise<void> {
    const subnet = contents(this.recording.ledgerSql)
    const cluster = contents(this.recording.clusterSql)
    await this.tell('/tables', { subnet: subnet.tables, cluster: cluster.tables })
    const nothing: Turn = { call: '', statements: [], askedBytes: 0, toldBytes: 0 }
    const sizes = [nothing, nothing, nothing]
    await this.load({ hold: [subnet.rows], send: [cluster.rows], report: [[]] }, sizes, BARE_HEAD_BYTES)
    await this.control.ask('/v1/reserve', '{}')
    await this.bareRowsWritten()
  }

  private async tell(path: string, value: unknown): Promise<void> {
    const reply = await this.control.ask(path, JSON.stringify(value))
    if (reply.status !== 200) throw new Error(`${path}: ${reply.status} ${reply.body}`)
  }
}

function checked(turns: Turn[]): Turn[] {
  const calls = turns.map(({ call }) => call).join(' ')
  if (calls !== CALLS) throw new Error(`a reserve calls ${calls}, the bare Worker ${CALLS}`)
  return turns
}
