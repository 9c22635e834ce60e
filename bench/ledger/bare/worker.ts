// The Worker that Berth is measured against: the same calls to the same objects, in each the same statements in one
// transaction, and nothing else. What it writes was recorded from Berth's own code (../recording.ts).
import { DurableObject, exports } from 'cloudflare:workers'

/** One statement with its parameters; a BLOB is told by its length. */
type Statement = readonly [
  text: string,
  ...parameters: (string | number | null | { readonly blob: number })[],
]

/** What one call does in its transaction. */
type Turn = readonly Statement[]

/** What travels: bytes of arguments and replies, as strings. */
interface Sizes {
  readonly hold: readonly [asked: number, told: number]
  readonly send: readonly [asked: number, told: number]
  readonly report: readonly [asked: number, told: number]
  readonly reply: number
}

abstract class Bare extends DurableObject {
  private readonly queues = new Map<string, (readonly (readonly [string, SqlStorageValue[]])[])[]>()
  private readonly blobs = new Map<number, ArrayBuffer>()
  private written = 0

  tables(statements: readonly string[]): void {
    for (const statement of statements) this.ctx.storage.sql.exec(statement)
  }

  load(queue: string, turns: readonly Turn[]): void {
    const bound = turns.map((turn) =>
      turn.map(([text, ...parameters]): [string, SqlStorageValue[]] => [
        text,
        parameters.map((value) =>
          typeof value === 'object' && value !== null ? this.blob(value.blob) : value,
        ),
      ]),
    )
    this.queues.set(queue, [...(this.queues.get(queue) ?? []), ...bound].reverse())
  }

  /** Rows and index entries written since the last question. */
  rowsWritten(): number {
    const { written } = this
    this.written = 0
    return written
  }

  protected turn(queue: string, told: number): string {
    const { sql } = this.ctx.storage
    const turn = this.queues.get(queue)?.pop()
    if (!turn) throw new Error(`nothing left to write for ${queue}`)
    this.ctx.storage.transactionSync(() => {
      for (const [text, parameters] of turn) this.written += sql.exec(text, ...parameters).rowsWritten
    })
    return letters(told)
  }

  private blob(length: number): ArrayBuffer {
    let blob = this.blobs.get(length)
    if (!blob) {
      blob = new Uint8Array(length).fill(0xa5).buffer
      this.blobs.set(length, blob)
    }
    return blob
  }
}

export class Subnet extends Bare {
  hold(_asked: string, told: number): string {
    return this.turn('hold', told)
  }

  report(_asked: string, told: number): string {
    return this.turn('report', told)
  }
}

export class Cluster extends Bare {
  send(_asked: string, told: number): string {
    return this.turn('send', told)
  }
}

interface Namespaces {
  readonly Subnet: DurableObjectNamespace<Subnet>
  readonly Cluster: DurableObjectNamespace<Cluster>
}

/** Known once requests come. */
const namespaces = (): Namespaces => exports as unknown as Namespaces

let sizes: Sizes = { hold: [0, 0], send: [0, 0], report: [0, 0], reply: 0 }

const made = new Map<number, string>()

/** A string of this length, made once. */
function letters(length: number): string {
  let text = made.get(length)
  if (text === undefined) {
    text = 'x'.repeat(length)
    made.set(length, text)
  }
  return text
}

export default {
  async fetch(request: Request): Promise<Response> {
    const path = new URL(request.url).pathname
    const subnet = namespaces().Subnet.getByName('default/ovn-default')
    const cluster = namespaces().Cluster.getByName('default')
    switch (path) {
      case '/v1/reserve': {
        await request.text()
        await subnet.hold(letters(sizes.hold[0]), sizes.hold[1])
        await cluster.send(letters(sizes.send[0]), sizes.send[1])
        await subnet.report(letters(sizes.report[0]), sizes.report[1])
        return new Response(letters(sizes.reply), { status: 201 })
      }
      case '/group': {
        await request.text()
        await subnet.hold(letters(sizes.hold[0]), sizes.report[1])
        await cluster.send(letters(sizes.send[0]), sizes.send[1])
        return new Response(letters(sizes.reply), { status: 201 })
      }
      case '/tables': {
        const tables = await request.json<{ subnet: string[]; cluster: string[] }>()
        await subnet.tables(tables.subnet)
        await cluster.tables(tables.cluster)
        return new Response()
      }
      case '/load': {
        const turns = await request.json<{ sizes: Sizes; hold: Turn[]; send: Turn[]; report: Turn[] }>()
        sizes = turns.sizes
        await subnet.load('hold', turns.hold)
        await cluster.load('send', turns.send)
        await subnet.load('report', turns.report)
        return new Response()
      }
      case '/rows-written':
        return Response.json({ subnet: await subnet.rowsWritten(), cluster: await cluster.rowsWritten() })
      default:
        return new Response(null, { status: path === '/readyz' ? 200 : 404 })
    }
  },
}
