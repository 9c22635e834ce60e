/**
 * `npm run audit`: checks the audit of a Berth that runs, or lines that were saved.
 *
 *   npm run audit -- verify                     all of a running Berth
 *   npm run audit -- verify saved.jsonl         what GET /v1/audit gave as application/x-ndjson
 *   npm run audit -- verify --head 3f…          and that one of the spaces ends, or once ended, with this hash
 *
 * BERTH_URL (http://127.0.0.1:8787) says where, BERTH_KEY with which key. Ends with 1 where a line was changed, taken
 * out, or put in.
 */
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { parseArgs } from 'node:util'
import { ChainVerifier } from '../../shared/ledger/audit-chain.ts'

function fail(message: string): never {
  console.error(message)
  process.exit(2)
}

async function sourceOf(file: string | undefined): Promise<Readable> {
  if (file !== undefined) {
    const saved = createReadStream(file)
    saved.on('error', (error) => fail(error.message))
    return saved
  }
  const base = (process.env.BERTH_URL || 'http://127.0.0.1:8787').replace(/\/+$/, '')
  const key = process.env.BERTH_KEY
  const reply = await fetch(`${base}/v1/audit`, {
    redirect: 'error',
    headers: { Accept: 'application/x-ndjson', ...(key ? { Authorization: `Bearer ${key}` } : {}) },
  }).catch(() => fail(`Nobody answers at ${base}. BERTH_URL says where Berth is.`))
  if (!reply.ok || !reply.body) fail(`${base} answers ${reply.status}`)
  return Readable.from(reply.body as unknown as AsyncIterable<Uint8Array>)
}

const { values, positionals } = read()

function read() {
  try {
    return parseArgs({ allowPositionals: true, options: { head: { type: 'string' } } })
  } catch (error) {
    return fail(error instanceof Error ? error.message : 'what is wanted is not understood')
  }
}

if (positionals[0] !== 'verify' || positionals.length > 2)
  fail('npm run audit -- verify [file] [--head <hash>]')
const verifier = new ChainVerifier()
let number = 0
let met = false
for await (const line of createInterface({ input: await sourceOf(positionals[1]), crlfDelay: Infinity })) {
  number++
  if (line === '') continue
  verifier.take(line, number)
  met ||= values.head !== undefined && line.endsWith(`"hash":"${values.head}"}`)
}
const { spaces, stray } = verifier.report()
for (const { space, first, last, head, isWhole, fault } of spaces) {
  const begins = isWhole ? '' : ' (what was before is not there)'
  console.log(
    fault === undefined
      ? `${space}: ${first} to ${last}${begins}, head ${head}`
      : `${space}: BROKEN, ${fault}`,
  )
}
if (stray !== undefined) console.log(`BROKEN, ${stray}`)
if (values.head !== undefined && !met) console.log(`BROKEN, no line has the hash ${values.head}`)
if (
  stray !== undefined ||
  spaces.some(({ fault }) => fault !== undefined) ||
  (values.head !== undefined && !met)
)
  process.exit(1)
console.log(spaces.length === 0 ? 'there are no lines' : `${number} lines, all as they were written`)
