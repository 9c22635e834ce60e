import { runInDurableObject } from 'cloudflare:test'
import { expect, it } from 'vitest'
import { allIn, ledgerObject, makeSubnet, post } from '../support/api.ts'

const subnet = 'large'
const names = Array.from({ length: 1_000 }, (_, n) => `pod-${n}`)
/** As long as the door lets a reason be: 3 kB of UTF-8. */
const LONG = '字'.repeat(1_024)

it('a group whose release would make it too long is refused before any write, and released without the reason', async () => {
  await makeSubnet(subnet, '10.78.0.0/16')
  const rows = () =>
    runInDurableObject(ledgerObject(subnet), (_, { storage }) =>
      ['lease', 'op', 'attempt'].map((table) =>
        storage.sql.exec(`SELECT * FROM ${table} ORDER BY 1, 2`).toArray(),
      ),
    )
  const items = names.map((podName) => ({ subnet, namespace: subnet, podName, reason: '字'.repeat(280) }))
  expect((await post('/v1/reserve', { items })).status).toBe(201)
  const full = await rows()
  const targets = names.map((name) => ({ name: `${name}.${subnet}` }))
  const kept = await post('/v1/release', { items: targets, reason: LONG })
  expect([kept.status, kept.body.code]).toEqual([413, 'too_large'])
  expect(await rows()).toEqual(full)
  expect((await post('/v1/release', { items: targets })).status).toBe(200)
  expect(await allIn(subnet)).toEqual([])
})
