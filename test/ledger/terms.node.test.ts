import { describe, expect, it } from 'vitest'
import { mutateIp } from '../../shared/command/admission/ip.ts'
import { adopt } from '../../shared/command/adopt.ts'
import { release } from '../../shared/command/release.ts'
import { reserve } from '../../shared/command/reserve.ts'
import { subnet } from '../../shared/command/subnets.ts'
import { ANNOTATION_POLICY, ANNOTATION_QUOTAS } from '../../shared/kube-ovn/names.ts'
import { creating, ip, patchOf, problemIn } from '../support/admission.ts'
import { expectAgreement } from '../support/agreement.ts'
import { answered } from '../support/drive.ts'
import { byHand, make, mirrored, object, owner, podsObject } from '../support/foreign.ts'
import { snapshot } from '../support/snapshot.ts'
import { ask, lab, many, QUOTA, terms, wish } from '../support/terms.ts'
import { refusal, reserved, type World } from '../support/world.ts'

it('a namespace may have any name in a quota', async () => {
  const world = await lab({ it: { addresses: 1 } })
  reserved(await ask(world, wish(0, { namespace: 'it' })))
  expect(refusal(await ask(world, wish(1, { namespace: 'it' }))).code).toBe('quota_exceeded')
})

describe('a policy', () => {
  it('names the namespaces and kinds that may reserve', async () => {
    const world = await lab(undefined, { namespaces: ['shop'], kinds: ['StatefulSet', 'VirtualMachine'] })
    reserved(await ask(world, wish(0, { podType: 'StatefulSet' })))
    expect(refusal(await ask(world, wish(1)))).toMatchObject({ code: 'outside_policy', field: 'podType' })
    expect(refusal(await ask(world, wish(1, { namespace: 'other', podType: 'StatefulSet' })))).toMatchObject({
      code: 'outside_policy',
      field: 'namespace',
    })
    const pods = await lab(undefined, { kinds: ['Pod'] })
    reserved(await ask(pods, wish(0)))
  })

  it('names the ranges addresses come from, chosen or wished, one by one or as a block', async () => {
    const world = await lab(undefined, { ranges: ['10.30.2.100..10.30.2.103', '10.30.2.200/30'] })
    expect(reserved(await ask(world, wish(0)))[0]?.v4IpAddress).toBe('10.30.2.100')
    expect(refusal(await ask(world, wish(1, { v4IpAddress: '10.30.2.7' })))).toMatchObject({
      code: 'outside_policy',
      field: 'v4IpAddress',
    })
    reserved(await ask(world, wish(1, { v4IpAddress: '10.30.2.201' })))
    const block = world.reserveCommand(many(3, 10), { block: { aligned: false } })
    expect(reserved(await reserve(world.ports, block)).map(({ v4IpAddress }) => v4IpAddress)).toEqual([
      '10.30.2.101',
      '10.30.2.102',
      '10.30.2.103',
    ])
    reserved(await ask(world, ...many(3, 20)))
    expect(refusal(await ask(world, wish('last'))).code).toBe('no_capacity')
    // The counts are those of the Subnet, whatever is given away of it.
    const view = await subnet(world.ports, 'lab')
    expect(view).toMatchObject({
      value: { ledger: { v4: { usable: 254n, bound: 8n, excluded: 1n, free: 245n } } },
    })
    await expectAgreement(world, 'lab')
  })

  it('limits the families it has ranges of', async () => {
    const world = await lab(
      undefined,
      { ranges: ['fd00:30::40..fd00:30::4f'] },
      {},
      '10.30.2.0/24,fd00:30::/112',
    )
    expect(reserved(await ask(world, wish(0)))[0]).toMatchObject({
      v4IpAddress: '10.30.2.2',
      v6IpAddress: 'fd00:30::40',
    })
  })

  it('that changed lets an owner who comes back have another address', async () => {
    const world = await lab(undefined, undefined, { quarantineMs: 300_000 })
    reserved(await ask(world, wish(0)))
    reserved(await release(world.ports, world.releaseCommand('web-0.shop')))
    await terms(world, { [ANNOTATION_POLICY]: { ranges: ['10.30.2.100'] } })
    expect(reserved(await ask(world, wish(0)))[0]?.v4IpAddress).toBe('10.30.2.100')
    await expectAgreement(world, 'lab')
  })

  it('takes nothing away from those who have it, and comes over a restart', async () => {
    const world = await lab(undefined)
    const [old] = reserved(await ask(world, wish(0)))
    await terms(world, {
      [ANNOTATION_POLICY]: { namespaces: ['other'], ranges: ['10.30.2.100..10.30.2.110'] },
    })
    world.restart('lab')
    expect(reserved(await ask(world, wish(0)))).toEqual([old])
    expect(reserved(await ask(world, wish(0, { namespace: 'other' })))[0]?.v4IpAddress).toBe('10.30.2.100')
    await expectAgreement(world, 'lab')
  })
})

describe('terms at the other doors', () => {
  async function watched(quotas: unknown, policy: unknown = {}): Promise<World> {
    const world = await mirrored()
    const annotations = {
      [ANNOTATION_QUOTAS]: JSON.stringify(quotas),
      [ANNOTATION_POLICY]: JSON.stringify(policy),
    }
    const ref = { kind: 'Subnet', name: 'ovn-default' } as const
    const { metadata } = byHand(world, { verb: 'get', ref })
    const patch = { metadata: { annotations } }
    byHand(world, { verb: 'patch', ref, patch, resourceVersion: metadata.resourceVersion ?? '' })
    const view = await subnet(world.ports, 'ovn-default')
    if (!view.ok) throw new Error(JSON.stringify(view.error))
    return world
  }
  const here = async (world: World) => {
    const view = await subnet(world.ports, 'ovn-default')
    return view.ok ? view.value.quotas : view
  }

  it('an adoption counts, and is not refused', async () => {
    const world = await watched(
      { default: { addresses: 1 } },
      { namespaces: ['default'], kinds: ['StatefulSet'] },
    )
    for (const name of ['a', 'b']) {
      make(
        world,
        podsObject(name, {
          v4IpAddress: `10.16.0.${name === 'a' ? 7 : 8}`,
          macAddress: `00:00:00:4d:b4:0${name}`,
        }),
      )
      owner(world, name)
    }
    await world.mirror.changes()
    expect(await here(world)).toEqual([{ namespace: 'default', used: 0, limit: 1 }])
    const selection = { subnet: 'ovn-default' }
    const command = { tenant: 't', requestId: 'r', dryRun: false, bodyHash: 'h', selection }
    const adopted = await answered(world, adopt(world.ports, command))
    expect(adopted).toMatchObject({
      kind: 'several',
      findings: [],
      reservations: [{ state: 'bound' }, { state: 'bound' }],
    })
    expect(await here(world)).toEqual([{ namespace: 'default', used: 2, limit: 1 }])
    const more = { subnet: 'ovn-default', namespace: 'default', podType: 'StatefulSet' as const }
    expect(refusal(await ask(world, { ...more, podName: 'c' })).code).toBe('quota_exceeded')
  })

  it('kubectl is refused by the webhook', async () => {
    const world = await watched({ default: { addresses: 1 } })
    expect(patchOf(await mutateIp(world.ports, creating(ip())))).toBeDefined()
    const second = creating(ip({ spec: { podName: 'web-2' } }))
    expect(problemIn(await mutateIp(world.ports, second))).toMatchObject({
      code: 'quota_exceeded',
      field: 'namespace',
    })
    const other = creating(ip({ name: 'web-1.other', spec: { namespace: 'other' } }))
    const closed = await watched({}, { namespaces: ['default'] })
    expect(problemIn(await mutateIp(closed.ports, other)).code).toBe('outside_policy')
  })

  it('an object made without the webhook is left as it is until there is room', async () => {
    const world = await watched({ default: { addresses: 1 } })
    reserved(await ask(world, { subnet: 'ovn-default', podName: 'first' }))
    make(world, ip({ spec: { podName: 'late' } }))
    await world.mirror.changes()
    await world.pass(1_000)
    expect(object(world, 'late.default')?.spec?.v4IpAddress ?? '').toBe('')
    reserved(await answered(world, release(world.ports, world.releaseCommand('first.default'))))
    await world.mirror.changes()
    await world.pass(61_000)
    expect(object(world, 'late.default')?.spec?.v4IpAddress).toBe('10.16.0.3')
  })
})

describe('terms that cannot be read', () => {
  it.each<readonly [string, string, unknown]>([
    ['no JSON', ANNOTATION_QUOTAS, '{shop}'],
    ['a list', ANNOTATION_QUOTAS, []],
    ['a number for a quota', ANNOTATION_QUOTAS, { shop: 5 }],
    ['a namespace in capitals', ANNOTATION_QUOTAS, { Shop: {} }],
    ['a pattern', ANNOTATION_QUOTAS, { 'team-*': {} }],
    ['a field nobody knows', ANNOTATION_QUOTAS, { shop: { address: 5 } }],
    ['a negative count', ANNOTATION_QUOTAS, { shop: { addresses: -1 } }],
    ['half an address', ANNOTATION_QUOTAS, { shop: { addresses: 0.5 } }],
    ['a text for a count', ANNOTATION_QUOTAS, { shop: { addresses: '5' } }],
    ['a share without %', ANNOTATION_QUOTAS, { shop: { share: 5 } }],
    ['a share of 101 %', ANNOTATION_QUOTAS, { shop: { share: '101%' } }],
    ['a lifetime of 0', ANNOTATION_QUOTAS, { shop: { maxTtlSeconds: 0 } }],
    ['a kind nobody knows', ANNOTATION_POLICY, { kinds: ['Deployment'] }],
    ['a text for namespaces', ANNOTATION_POLICY, { namespaces: 'shop' }],
    ['a range from high to low', ANNOTATION_POLICY, { ranges: ['10.30.2.9..10.30.2.3'] }],
    ['a field nobody knows in a policy', ANNOTATION_POLICY, { namespace: ['shop'] }],
  ])('%s is refused, and nothing changes', async (_, annotation, value) => {
    const world = await lab(QUOTA)
    const before = snapshot(world)
    const refused = await terms(world, { [annotation]: value })
    expect(refused).toMatchObject({
      ok: false,
      error: { code: 'invalid_field', field: `metadata.annotations["${annotation}"]` },
    })
    expect(snapshot(world)).toEqual(before)
  })

  it('written by others let nothing new in, until they are mended', async () => {
    const world = await lab(QUOTA)
    const [old] = reserved(await ask(world, wish(0)))
    const ref = { kind: 'Subnet', name: 'lab' } as const
    const { metadata } = byHand(world, { verb: 'get', ref })
    const patch = { metadata: { annotations: { [ANNOTATION_QUOTAS]: '{' } } }
    byHand(world, { verb: 'patch', ref, patch, resourceVersion: metadata.resourceVersion ?? '' })
    const seen = await subnet(world.ports, 'lab')
    expect(seen).toMatchObject({
      value: { warnings: [expect.stringContaining('berth/quotas: it is not JSON')] },
    })
    expect(refusal(await ask(world, wish(1)))).toMatchObject({ code: 'unavailable', field: 'subnet' })
    expect(reserved(await ask(world, wish(0)))).toEqual([old])
    await terms(world, { [ANNOTATION_QUOTAS]: QUOTA })
    reserved(await ask(world, wish(1)))
  })
})
