import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type RunningWorkerd, startWorkerd } from '../../infra/dev/workerd.ts'
import { bareBundle } from './bare/bundle.ts'
import { Client } from './client.ts'
import { contents, Recording, type Turn } from './recording.ts'
import { podName, SUBNET, wish } from './wishes.ts'

/** The calls of a reserve of one, in order; the bare Worker makes the same. */
const CALLS = 'hold send report'

/** Berth and the bare Worker, each in a process of its own. */
export class Sides {
  readonly berth: RunningWorkerd
  readonly bare: RunningWorkerd
  private readonly folder: string
  private readonly recording: Recording
  private readonly control: Client
  private readonly replyBytes: number
  private berths = 0
  private bares = 0

  private constructor(
    parts: Pick<Sides, 'berth' | 'bare'> & {
      folder: string
      recording: Recording
      control: Client
      reply: number
    },
  ) {
    this.berth = parts.berth
    this.bare = parts.bare
    this.folder = parts.folder
    this.recording = parts.recording
    this.control = parts.control
    this.replyBytes = parts.reply
    this.berths = this.bares = 1
  }

  static async open(): Promise<Sides> {
    const folder = mkdtempSync(join(tmpdir(), 'berth-bench-'))
    const berth = await startWorkerd({ port: 0, dataDir: join(folder, 'berth') })
    const bundle = bareBundle(join(folder, 'bundle'))
    const bare = await startWorkerd({ port: 0, dataDir: join(folder, 'bare'), bundle })
    const recording = new Recording()
    // The first reserve configures the ledger; both sides start after it.
    await recording.reserve(0)
    const berthClient = await Client.open(berth.port)
    const first = await berthClient.ask('/v1/reserve', JSON.stringify(wish(SUBNET, podName('real', 0))))
    berthClient.close()
    const control = await Client.open(bare.port)
    const subnet = contents(recording.ledgerSql)
    const cluster = contents(recording.clusterSql)
    await posted(control, '/tables', { subnet: subnet.tables, cluster: cluster.tables })
    const sides = new Sides({ berth, bare, folder, recording, control, reply: first.bytes })
    await sides.load({ hold: [subnet.rows], send: [cluster.rows], report: [[]] }, ZERO)
    await control.ask('/v1/reserve', '{}')
    return sides
  }

  /** Bodies of reserves of pods nobody reserved yet. */
  wishes(count: number): string[] {
    return Array.from({ length: count }, () => JSON.stringify(wish(SUBNET, podName('real', this.berths++))))
  }

  /** Gives the bare Worker what it has to write for as many reserves; returns the bodies to send it. */
  async bareWishes(count: number): Promise<string[]> {
    const turns: (readonly Turn[])[] = []
    const bodies: string[] = []
    for (let i = 0; i < count; i++) {
      bodies.push(JSON.stringify(wish(SUBNET, podName('bare', this.bares))))
      const made = await this.recording.reserve(this.bares++)
      const calls = made.map(({ call }) => call).join(' ')
      if (calls !== CALLS) throw new Error(`a reserve calls ${calls}, the bare Worker ${CALLS}`)
      turns.push(made)
    }
    const of = (index: number) => turns.map((calls) => calls[index]!.statements)
    const sizeOf = (index: number) => [turns[0]![index]!.askedBytes, turns[0]![index]!.toldBytes] as const
    await this.load(
      { hold: of(0), send: of(1), report: of(2) },
      { hold: sizeOf(0), send: sizeOf(1), report: sizeOf(2), reply: this.replyBytes - BARE_HEAD_BYTES },
    )
    return bodies
  }

  /** Rows and index entries the bare Worker wrote since this was asked last. */
  async rowsWritten(): Promise<{ readonly subnet: number; readonly cluster: number }> {
    return JSON.parse((await this.control.ask('/rows-written')).body)
  }

  async load(turns: BareTurns, sizes: BareSizes): Promise<void> {
    await posted(this.control, '/load', { sizes, ...turns })
  }

  async close(): Promise<void> {
    this.control.close()
    await Promise.all([this.berth.stop(), this.bare.stop()])
    rmSync(this.folder, { recursive: true, force: true })
  }
}

type BareTurns = Readonly<Record<'hold' | 'send' | 'report', readonly unknown[]>>

interface BareSizes {
  readonly hold: readonly [number, number]
  readonly send: readonly [number, number]
  readonly report: readonly [number, number]
  readonly reply: number
}

const ZERO: BareSizes = { hold: [0, 0], send: [0, 0], report: [0, 0], reply: 0 }

/** The status line and headers of a bare reply; Berth's are longer, so the bare body is. */
const BARE_HEAD_BYTES = 90

async function posted(client: Client, path: string, value: unknown): Promise<void> {
  const reply = await client.ask(path, JSON.stringify(value))
  if (reply.status !== 200) throw new Error(`${path}: ${reply.status} ${reply.body}`)
}
