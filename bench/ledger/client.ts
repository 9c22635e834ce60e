import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

export interface Reply {
  readonly status: number
  /** Head and body. */
  readonly bytes: number
  readonly body: string
}

/** workerd closes a connection that was idle for 5 s; one idle for longer than this is not used again. */
const IDLE_MS = 3_000

/** One HTTP/1.1 connection kept open, one request at a time; as little work as can be, for it shares the machine. */
export class Client {
  private readonly port: number
  private socket: Socket | undefined
  private usedMs = 0
  private parts: Buffer[] = []
  private waiting:
    | { readonly resolve: (reply: Reply) => void; readonly reject: (error: Error) => void }
    | undefined

  private constructor(port: number) {
    this.port = port
  }

  static async open(port: number): Promise<Client> {
    const client = new Client(port)
    await client.connect()
    return client
  }

  /** Connects anew if the connection may be closed by now; to be called before time is taken. */
  async ready(): Promise<void> {
    if (performance.now() - this.usedMs > IDLE_MS) await this.connect()
  }

  /** With a JSON body, or a GET without one. */
  async ask(path: string, body?: string, method = body === undefined ? 'GET' : 'POST'): Promise<Reply> {
    await this.ready()
    const head = `${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1:${this.port}\r\n`
    const type = body === undefined ? '' : 'Content-Type: application/json\r\n'
    const text = `${head}${type}Content-Length: ${Buffer.byteLength(body ?? '')}\r\n\r\n${body ?? ''}`
    return new Promise((resolve, reject) => {
      this.waiting = { resolve, reject }
      this.socket?.write(text)
    })
  }

  close(): void {
    this.socket?.destroy()
  }

  private async connect(): Promise<void> {
    this.socket?.destroy()
    const socket = connect(this.port, '127.0.0.1')
    const gone = (error: Error) => {
      if (this.socket === socket) this.waiting?.reject(error)
    }
    await once(socket, 'connect')
    socket.setNoDelay(true)
    socket.on('data', (part: Buffer) => this.received(part))
    socket.on('error', gone)
    socket.on('close', () => gone(new Error('the connection was closed')))
    this.socket = socket
    this.usedMs = performance.now()
  }

  private received(part: Buffer): void {
    this.usedMs = performance.now()
    this.parts.push(part)
    const all = this.parts.length === 1 ? part : Buffer.concat(this.parts)
    this.parts = [all]
    const end = all.indexOf('\r\n\r\n')
    if (end < 0) return
    const head = all.toString('latin1', 0, end)
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? Number.NaN)
    if (Number.isNaN(length)) throw new Error(`a reply without Content-Length: ${head}`)
    if (all.length < end + 4 + length) return
    this.parts = []
    const reply = {
      status: Number(head.slice(9, 12)),
      bytes: all.length,
      body: all.toString('utf8', end + 4),
    }
    this.waiting?.resolve(reply)
  }
}

/** `clients` connections to a port. */
export function connections(port: number, clients: number): Promise<Client[]> {
  return Promise.all(Array.from({ length: clients }, () => Client.open(port)))
}

/**
 * Sends all `bodies`, each client its next one when its last was answered.
 * @returns ms from the first request to the last reply, and each request's own ms
 */
export async function post(
  clients: readonly Client[],
  path: string,
  bodies: readonly string[],
): Promise<{ readonly tookMs: number; readonly eachMs: number[] }> {
  const eachMs: number[] = []
  let next = 0
  await Promise.all(clients.map((client) => client.ready()))
  const startMs = performance.now()
  await Promise.all(
    clients.map(async (client) => {
      while (next < bodies.length) {
        const body = bodies[next++]!
        const sentMs = performance.now()
        const reply = await client.ask(path, body)
        eachMs.push(performance.now() - sentMs)
        if (reply.status !== 201) throw new Error(`${path}: ${reply.status} ${reply.body.slice(0, 500)}`)
      }
    }),
  )
  return { tookMs: performance.now() - startMs, eachMs }
}
