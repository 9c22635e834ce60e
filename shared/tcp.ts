/** Where a byte stream ends. `tls`: TLS from the first byte, with whatever certificates the runtime was given. */
export interface TcpAddress {
  /** A name, or an IP address without brackets. */
  readonly host: string
  readonly port: number
  readonly tls: boolean
}

/** An open byte stream in three verbs. One reader and one writer at a time. */
export interface TcpStream {
  /** The next bytes, at least one; undefined when the other side has ended. Rejects when the stream broke or was closed. */
  read(): Promise<Uint8Array | undefined>
  /** Resolves when the bytes are handed on, which proves nothing about their arrival. Rejects when the stream is broken. */
  write(bytes: Uint8Array): Promise<void>
  /** Ends both directions at once. A pending read ends one way or the other. May be called again. */
  close(): void
}

/**
 * TCP as the core sees it. `connect` rejects when there is no connection, and soon after `signal` aborts. There is no
 * system one here: each runtime has its own way, and its adapter lives with those that need it.
 */
export interface Tcp {
  connect(address: TcpAddress, signal: AbortSignal): Promise<TcpStream>
}
