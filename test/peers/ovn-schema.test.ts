import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { startNorthbound } from '../../infra/peers/ovn.ts'
import { locateOvn } from '../../infra/peers/ovn-package.ts'
import { nodeTcp } from '../../infra/peers/tcp.ts'
import { OvnWorld } from '../ovn/contract.ts'

interface SchemaFile {
  version: string
  cksum?: string
  tables: Record<string, { columns: Record<string, unknown>; isRoot?: boolean }>
}

const folder = mkdtempSync(join(tmpdir(), 'berth-schema-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Debian's schema, edited. */
function edited(version: string, edit: (tables: SchemaFile['tables']) => void): string {
  const { cksum: _none, ...schema }: SchemaFile = JSON.parse(readFileSync(locateOvn().schema, 'utf8'))
  edit(schema.tables)
  const file = join(folder, `${version}.ovsschema`)
  writeFileSync(file, JSON.stringify({ ...schema, version }))
  return file
}

const textMap = { type: { key: 'string', value: 'string', min: 0, max: 'unlimited' } }

const SCHEMAS: readonly (readonly [string, () => string | undefined])[] = [
  ['as Debian has it', () => undefined],
  [
    'newer: more tables, more columns, a scalar that became a set',
    () =>
      edited('8.9.0', (tables) => {
        const port = tables.Logical_Switch_Port
        if (!port) throw new Error('no ports')
        Object.assign(port.columns, { peer: { type: { key: 'string', min: 0, max: 1 } }, later: textMap })
        port.columns.up = { type: { key: 'boolean', min: 0, max: 2 } }
        tables.Sampling_App = { columns: { name: { type: 'string' } }, isRoot: true }
      }),
  ],
  [
    'older: without the columns and tables that came later',
    () =>
      edited('5.0.0', (tables) => {
        const columns = tables.Logical_Switch_Port?.columns ?? {}
        for (const name of ['mirror_rules', 'ha_chassis_group', 'dynamic_addresses', 'port_security', 'up']) {
          delete columns[name]
        }
        delete tables.Mirror
      }),
  ],
  [
    'older still: without DHCP rows, address sets and port groups',
    () =>
      edited('4.0.0', (tables) => {
        const columns = tables.Logical_Switch_Port?.columns ?? {}
        for (const name of ['dhcpv4_options', 'dhcpv6_options']) delete columns[name]
        const nat = tables.NAT?.columns ?? {}
        for (const name of ['allowed_ext_ips', 'exempted_ext_ips']) delete nat[name]
        for (const name of ['DHCP_Options', 'Address_Set', 'Port_Group']) delete tables[name]
      }),
  ],
]

describe.each(SCHEMAS)('a schema %s', (_, make) => {
  it('will do: found, shown to be there by address, cut', async () => {
    const schema = make()
    const northbound = await startNorthbound(schema === undefined ? {} : { schema })
    const world = new OvnWorld({ tcp: nodeTcp(), remotes: northbound.remotes })
    try {
      const owner = await world.newOwner()
      const id = await world.addPort(owner, {}, { associated_sg_a: 'true' })
      expect(await world.byName(owner)).toMatchObject({ result: 'found', port: { uuid: id } })
      const request = { verb: 'address', subnet: owner.subnet, addresses: ['10.16.0.5'] } as const
      expect(await world.ask(request)).toMatchObject({ result: 'held' })
      expect(await world.cut(owner, id)).toEqual({ result: 'cut' })
      expect(await world.byName(owner)).toEqual({ result: 'absent' })
    } finally {
      world.close()
      await northbound.stop()
    }
  })
})
