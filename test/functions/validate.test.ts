import { describe, expect, it } from 'vitest'
import { fakeDoor, granted } from '../support/fake-berth.ts'
import { type CallOptions, call, ITEM, json, manifest, WISH } from './call.ts'

describe('validate', () => {
  const validate = async (options: CallOptions) => (await call(fakeDoor(), '/v1/validate', options)).json()

  it('shows what reserve would give, in the form of the question', async () => {
    expect(await validate(json(WISH))).toEqual({ allowed: true, findings: [], preview: granted(ITEM) })
    expect(await validate(json({ items: [WISH] }))).toMatchObject({ preview: { items: [granted(ITEM)] } })
  })

  it('is a dry run for the core', async () => {
    const door = fakeDoor()
    await call(door, '/v1/validate', json(WISH))
    expect(door.fake.calls).toMatchObject([{ verb: 'validate', with: [{ dryRun: true, items: [ITEM] }] }])
  })

  it('hands on findings in the caller’s spelling', async () => {
    const findings = [
      { code: 'address_taken', field: 'v4IpAddress', message: 'taken', hint: 'another' },
    ] as const
    const door = fakeDoor({ validate: async () => ({ allowed: false, findings }) })
    const reply = await call(door, '/v1/validate', json(manifest()))
    expect(await reply.json()).toEqual({
      allowed: false,
      findings: [{ ...findings[0], field: 'spec.v4IpAddress' }],
    })
  })
})
