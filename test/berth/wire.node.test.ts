import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type RunningWorkerd, startWorkerd } from '../../infra/dev/workerd.ts'

/** What no HTTP library lets out, against plain workerd. */
const folder = mkdtempSync(join(tmpdir(), 'berth-wire-'))
let server: RunningWorkerd
beforeAll(async () => {
  server = await startWorkerd({ port: 0, dataDir: folder })
}, 60_000)
afterAll(async () => {
  await server?.stop()
  rmSync(folder, { recursive: true, force: true })
})

/** Writes the parts as they are, and reads until the server closes or one reply is there. */
function exchange(...parts: readonly (string | Uint8Array)[]): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(server.port, '127.0.0.1')
    let text = ''
    const done = () => {
      socket.destroy()
      resolve(text)
    }
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
      if (text.includes('}\n')) done()
    })
    socket.on('end', done).on('error', done)
    for (const part of parts) socket.write(part)
  })
}

const head = (line: string, ...headers: string[]) =>
  `${[line, ...headers, 'Connection: close'].join('\r\n')}\r\n\r\n`
const HOST = 'Host: localhost'
const JSON_TYPE = 'Content-Type: application/json'
const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`
const MEBIBYTE = ' '.repeat(1 << 20)

type Row = readonly [what: string, parts: readonly string[], status: number, code: string, field: string]
const ROWS: readonly Row[] = [
  [
    'a port that is none',
    [head('GET /v1/subnets HTTP/1.1', 'Host: localhost:99999')],
    400,
    'malformed',
    'Host',
  ],
  ['no path', [head('OPTIONS * HTTP/1.1', HOST)], 403, 'forbidden', 'Host'],
  ['two hosts', [head('GET /v1/subnets HTTP/1.1', HOST, 'Host: evil.example')], 400, 'malformed', 'Host'],
  ['somebody at a host', [head('GET /v1/subnets HTTP/1.1', 'Host: a@localhost')], 403, 'forbidden', 'Host'],
  ['TRACE', [head('TRACE /v1/reserve HTTP/1.1', HOST)], 405, 'method_not_allowed', 'method'],
  ['dots in a path', [head('GET /v1/reservations/../subnets HTTP/1.1', HOST)], 404, 'not_found', 'path'],
  [
    'a chunk that is none',
    [
      head('POST /v1/reserve HTTP/1.1', HOST, JSON_TYPE, 'Transfer-Encoding: chunked'),
      'ZZ\r\n{}\r\n0\r\n\r\n',
    ],
    400,
    'malformed',
    'body',
  ],
  [
    'two MiB in chunks',
    [
      head('POST /v1/reserve HTTP/1.1', HOST, JSON_TYPE, 'Transfer-Encoding: chunked'),
      chunk(MEBIBYTE),
      chunk(MEBIBYTE),
      '0\r\n\r\n',
    ],
    413,
    'too_large',
    'body',
  ],
  [
    'nine MiB, to the last byte',
    [
      head('POST /v1/reserve HTTP/1.1', HOST, JSON_TYPE, `Content-Length: ${9 << 20}`),
      ...Array<string>(9).fill(MEBIBYTE),
    ],
    413,
    'too_large',
    'body',
  ],
]

it.each(ROWS)('%s is refused', async (_, parts, status, code, field) => {
  const text = await exchange(...parts)
  expect(text.split('\r\n')[0]).toContain(` ${status} `)
  expect(JSON.parse(text.slice(text.indexOf('{'), text.lastIndexOf('}') + 1))).toMatchObject({
    status,
    code,
    field,
  })
})
