import { createHash } from 'node:crypto'
import { realpathSync, rmSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * Claims a data folder for this process: two servers on one folder would each keep their own picture of the same
 * database and promise an address twice. The claim is a listening socket, so the kernel gives it up when the process
 * dies in any way; a socket file nobody listens on is left over and is taken.
 *
 * Returns undefined when another live process holds the folder.
 */
export async function claimFolder(folder: string): Promise<Server | undefined> {
  const path = claimPath(realpathSync(folder))
  for (let attempt = 0; attempt < 3; attempt++) {
    const server = await listen(path)
    if (server) return server
    if (await answers(path)) return undefined
    rmSync(path, { force: true })
  }
  return undefined
}

/** In the temporary folder and hashed: socket paths may not be longer than about 100 bytes. */
function claimPath(folder: string): string {
  const name = `berth-${createHash('sha256').update(folder).digest('hex').slice(0, 24)}`
  return process.platform === 'win32' ? `\\\\.\\pipe\\${name}` : join(tmpdir(), `${name}.sock`)
}

function listen(path: string): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer((socket) => socket.destroy())
    server.once('error', () => resolve(undefined))
    server.listen(path, () => {
      server.unref()
      resolve(server)
    })
  })
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
