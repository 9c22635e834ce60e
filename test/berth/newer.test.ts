import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { expect, it } from 'vitest'
import { SCHEMA_VERSION } from '../../shared/ledger/schema.ts'
import { call, get, ledgerObject, makeSubnet, post, type Reply } from '../support/api.ts'

const wish = { subnet: 'newer', namespace: 'newer', podName: 'pod' }
const stub = () => ledgerObject('newer')

/** Every row of the ledger's storage. */
const contents = () =>
  runInDurableObject(stub(), (_, { storage }) =>
    ['meta', 'state', 'lease', 'op', 'attempt', 'idempotency', 'page'].map((table) =>
      storage.sql.exec(`SELECT * FROM ${table}`).toArray(),
    ),
  )

async function setVersion(version: string): Promise<void> {
  await runInDurableObject(stub(), (_, { storage }) => {
    storage.sql.exec(`UPDATE meta SET value = ? WHERE key = 'schema'`, version)
  })
  await evictDurableObject(stub())
}

const CALLS: readonly (() => Promise<Reply>)[] = [
  () => post('/v1/reserve', { ...wish, podName: 'other' }, { 'Idempotency-Key': 'k' }),
  () => post('/v1/reserve?dryRun=All', { ...wish, podName: 'other' }),
  () => post('/v1/validate', wish),
  () => post('/v1/release', { namespace: 'newer', podName: 'pod', subnet: 'newer' }),
  () => get('/v1/subnets/newer'),
  () => get('/v1/reservations?subnet=newer'),
  () => get('/v1/subnets/newer/suggest'),
  () => call('DELETE', '/v1/subnets/newer'),
]

it('storage newer than the code is 503 for every call and is not written to; the code it knows reads on', async () => {
  await makeSubnet('newer', '10.74.0.0/24')
  const made = await post('/v1/reserve', wish, { 'Idempotency-Key': 'k' })
  expect(made.status).toBe(201)
  await setVersion('999')
  const before = await contents()
  for (const ask of CALLS) {
    const reply = await ask()
    expect([reply.status, reply.body.code]).toEqual([503, 'unavailable'])
    expect(reply.headers.get('Retry-After')).toMatch(/^[1-9]\d*$/)
  }
  await runDurableObjectAlarm(stub())
  expect(await contents()).toEqual(before)

  // Another Subnet's ledger is none the worse for it.
  const elsewhere = { subnet: 'ovn-default', namespace: 'newer', podName: 'elsewhere' }
  expect((await post('/v1/reserve', elsewhere)).status).toBe(201)

  await setVersion(String(SCHEMA_VERSION))
  expect((await post('/v1/reserve', wish, { 'Idempotency-Key': 'k' })).body).toEqual(made.body)
})
