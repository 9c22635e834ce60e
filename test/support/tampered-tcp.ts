import type { Tcp, TcpAddress, TcpStream } from '../../shared/tcp.ts'

/** A real connection with somebody in between. */
export class TamperedTcp implements Tcp {
  readonly #real: Tcp
  readonly #open = new Set<TcpStream>()
  /** Called with each message before it is sent on; 'last': nothing that comes back after it arrives. */
  before: ((text: string) => Promise<'last' | undefined> | undefined) | undefined

  constructor(real: Tcp) {
    this.#real = real
  }

  /** Breaks every connection. */
  cutAll(): void {
    for (const stream of this.#open) stream.close()
  }

  async connect(address: TcpAddress, signal: AbortSignal): Promise<TcpStream> {
    const stream = await this.#real.connect(address, signal)
    this.#open.add(stream)
    let deaf = false
    return {
      read: async () => {
        const chunk = await stream.read()
        if (!deaf) return chunk
        // By now the server has answered.
        stream.close()
        throw new Error('connection reset')
      },
      write: async (bytes) => {
        deaf = (await this.before?.(new TextDecoder().decode(bytes))) === 'last'
        await stream.write(bytes)
      },
      close: () => {
        this.#open.delete(stream)
        stream.close()
      },
    }
  }
}
