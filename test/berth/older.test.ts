import { evictDurableObject, runInDurableObject } from 'cloudflare:test'
import { expect, it } from 'vitest'
import { SCHEMA_VERSION } from '../../shared/ledger/schema.ts'
import versionOne from '../data/ledger/version-1.sql?raw'
import { ledgerObject } from '../support/api.ts'
import { portsWith } from '../support/object-ports.ts'

it('storage of version 1 is migrated by the runtime’s own SQLite, and its promises can be read', async () => {
  const stub = ledgerObject('lab')
  await runInDurableObject(stub, (_, { storage }) => {
    storage.sql.exec(versionOne)
  })
  await evictDurableObject(stub)
  // Past the door, which would look for the Subnet's object first.
  const ledger = portsWith(async () => {}).ledger('lab')
  expect(await ledger.find('bound.default')).toMatchObject({ state: 'bound', v4: '10.30.1.10' })
  const version = await runInDurableObject(stub, (_, { storage }) =>
    storage.sql.exec(`SELECT value FROM meta WHERE key = 'schema'`).one(),
  )
  expect(version).toEqual({ value: String(SCHEMA_VERSION) })
})
