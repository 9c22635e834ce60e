import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { describe, expect, it } from 'vitest'
import type { ClusterPort } from '../../shared/cluster/port.ts'
import { reserve } from '../../shared/command/reserve.ts'
import { get, ledgerObject, makeSubnet } from '../support/api.ts'
import { context, portsWith, wishOf } from '../support/object-ports.ts'

/** A reservation in a Subnet of its own, held by an operation whose driver died before it sent anything. */
async function abandoned(subnet: string, cidrBlock: string) {
  await makeSubnet(subnet, cidrBlock)
  const ports = portsWith(async () => {})
  const cluster: ClusterPort = {
    ...ports.cluster,
    send: () => Promise.reject(new Error('the isolate is gone')),
  }
  const command = { ...context('key'), items: [wishOf(subnet, 'pod')] }
  expect(await reserve({ ...ports, cluster }, command)).toMatchObject({ kind: 'pending' })
  const stub = ledgerObject(subnet)
  const exec = (...statements: string[]) =>
    runInDurableObject(stub, (_, { storage }) => {
      for (const statement of statements) storage.sql.exec(statement)
    })
  const alarmMs = () => runInDurableObject(stub, (_, { storage }) => storage.getAlarm())
  const state = () =>
    runInDurableObject(stub, (_, { storage }) => storage.sql.exec(`SELECT state FROM lease`).one().state)
  return { stub, exec, alarmMs, state }
}

describe('an alarm', () => {
  it('goes on with the others when one operation cannot be read, says so, and looks again later', async () => {
    const { stub, exec, alarmMs, state } = await abandoned('alarm-poison', '10.75.0.0/24')
    // More than are driven side by side, and all due before the good one.
    await exec(
      ...Array.from(
        { length: 40 },
        (
          _,
          n,
        ) => `INSERT INTO op (id, kind, phase, state, driver, attempt, issued_ms, deadline_ms, next_ms, items,
          created_at, updated_at) VALUES ('op_0${n}', 'reserve', 'post', 'running', 1, 1, 1, 1, 0, '{', 0, 0)`,
      ),
      `UPDATE op SET next_ms = 1 WHERE items <> '{'`,
    )
    await evictDurableObject(stub)
    await get('/v1/subnets/alarm-poison')
    await runDurableObjectAlarm(stub)
    expect(await state()).toBe('bound')
    const nextMs = await alarmMs()
    expect(nextMs).toBeGreaterThan(Date.now() + 1_000)
    expect(nextMs).toBeLessThan(Date.now() + 60_000)
  })

  it('over storage that is broken seven times, then lost for good, heals with one GET (fault 11)', async () => {
    const { stub, exec, alarmMs, state } = await abandoned('alarm-lost', '10.76.0.0/24')
    await exec(`ALTER TABLE op RENAME TO op_away`)
    for (let run = 0; run < 7; run++) {
      await runDurableObjectAlarm(stub)
      // It never fails, so the runtime's retries are not used up, and it has set itself again.
      expect(await alarmMs()).toBeGreaterThan(Date.now())
    }
    await exec(`ALTER TABLE op_away RENAME TO op`)
    expect(await state()).toBe('held')
    // As if the runtime had given it up all the same.
    await runInDurableObject(stub, (_, { storage }) => storage.deleteAlarm())
    await evictDurableObject(stub)
    await get('/v1/reservations?subnet=alarm-lost')
    await runDurableObjectAlarm(stub)
    expect(await state()).toBe('bound')
    await runDurableObjectAlarm(stub)
    expect(await state()).toBe('bound')
  })
})
