/**
 * `npm run keys`: makes, lists and revokes API keys of a running Berth.
 *
 *   npm run keys -- admin                          the first key, and the variable that lets it in; calls nobody
 *   npm run keys -- make --name ci --verbs reserve,release --subnets 'ovn-*' --namespaces team-a [--days 90] [--tenant t]
 *   npm run keys -- list
 *   npm run keys -- revoke <id>
 *
 * BERTH_URL (http://127.0.0.1:8787) says where, BERTH_KEY with which key; over loopback none is needed unless
 * ACCESS=required. A made key is written to standard output once, and nowhere else.
 */
import { parseArgs } from 'node:util'
import { formatKey, hashSecret, newKey } from '../../shared/access/key-text.ts'
import { systemRandom } from '../../shared/random.ts'

const DAY_MS = 86_400_000
const base = (process.env.BERTH_URL || 'http://127.0.0.1:8787').replace(/\/+$/, '')

function fail(message: string): never {
  console.error(message)
  process.exit(1)
}

interface Listed {
  readonly id: string
  readonly name: string
  readonly tenant: string
  readonly createdAt: string
  readonly expiresAt?: string
  readonly revokedAt?: string
}

async function ask<T>(method: string, path: string, body?: unknown): Promise<T> {
  const key = process.env.BERTH_KEY
  const reply = await fetch(`${base}${path}`, {
    method,
    redirect: 'error',
    headers: {
      ...(key ? { Authorization: `Bearer ${key}` } : {}),
      ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  }).catch(() => fail(`Nobody answers at ${base}. BERTH_URL says where Berth is.`))
  const read = (await reply.json().catch(() => ({}))) as T & { detail?: string }
  if (!reply.ok) fail(`${reply.status}: ${read.detail ?? 'no reason given'}`)
  return read
}

const words = (text: string | undefined, option: string) => {
  const list = (text ?? '').split(',').map((word) => word.trim())
  return list.every((word) => word !== '')
    ? list
    : fail(`--${option} is required: names with commas between, or *`)
}

async function admin(): Promise<void> {
  const made = newKey(systemRandom)
  const hash = Buffer.from(await hashSecret(made.secret)).toString('hex')
  console.log(
    `key, for you alone:      ${formatKey(made)}\nvariable for the server: ADMIN_KEY_SHA256=${hash}`,
  )
}

async function make(rest: string[]): Promise<void> {
  const { values } = parseArgs({
    args: rest,
    options: {
      name: { type: 'string' },
      verbs: { type: 'string' },
      subnets: { type: 'string' },
      namespaces: { type: 'string' },
      tenant: { type: 'string' },
      days: { type: 'string' },
    },
  })
  const { days, tenant } = values
  if (days !== undefined && !/^[1-9]\d{0,4}$/.test(days)) fail('--days must be a whole number of days')
  const made = await ask<Listed & { key: string }>('POST', '/v1/keys', {
    name: values.name ?? fail('--name is required: what the key is for'),
    grants: [
      {
        verbs: words(values.verbs, 'verbs'),
        subnets: words(values.subnets, 'subnets'),
        namespaces: words(values.namespaces, 'namespaces'),
      },
    ],
    ...(tenant === undefined ? {} : { tenant }),
    ...(days === undefined ? {} : { expiresAt: new Date(Date.now() + Number(days) * DAY_MS).toISOString() }),
  })
  console.error(
    `${made.id} for ${made.name}${made.expiresAt ? `, until ${made.expiresAt}` : ''}. The key, told once:`,
  )
  console.log(made.key)
}

async function list(): Promise<void> {
  let from = ''
  for (;;) {
    const page = await ask<{ items: Listed[]; continue?: string }>('GET', `/v1/keys${from}`)
    for (const { id, name, tenant, createdAt, expiresAt, revokedAt } of page.items) {
      const end = revokedAt ? `revoked ${revokedAt}` : expiresAt ? `until ${expiresAt}` : 'without end'
      console.log(`${id}  ${tenant}  ${createdAt}  ${end}  ${name}`)
    }
    if (page.continue === undefined) return
    from = `?continue=${page.continue}`
  }
}

// A wrong option is somebody's typing, not a defect.
process.on('uncaughtException', (error) => fail(error.message))

const [command, ...rest] = process.argv.slice(2)
if (command === 'admin') await admin()
else if (command === 'make') await make(rest)
else if (command === 'list') await list()
else if (command === 'revoke' && rest[0]) {
  const { id } = await ask<Listed>('DELETE', `/v1/keys/${encodeURIComponent(rest[0])}`)
  console.log(`${id} is revoked.`)
} else fail('npm run keys -- admin | make | list | revoke <id>; the head of infra/dev/keys.ts shows each.')
