import { beforeEach, describe, expect, it } from 'vitest'
import type { KubeObject } from '../../../shared/cluster/port.ts'
import { mutateIp, validateIp } from '../../../shared/command/admission/ip.ts'
import type { Review } from '../../../shared/command/admission/types.ts'
import { ip, kubectlCreate, patchOf, problemIn } from '../../support/admission.ts'
import { patched } from '../../support/review.ts'
import { World } from '../../support/world.ts'

let world: World
let stored: KubeObject<Record<string, unknown>>
beforeEach(async () => {
  world = new World()
  stored = (await kubectlCreate(world, ip({ spec: { v4IpAddress: '10.16.0.3' } }))) as KubeObject<
    Record<string, unknown>
  >
})

type Edit = (object: KubeObject<Record<string, unknown>>) => void

const RESERVED = 'ovn.kubernetes.io/ip_reserved'
const SUBNET = 'ovn.kubernetes.io/subnet'

const reviewOf = (object: KubeObject): Review => ({
  operation: 'UPDATE',
  name: stored.metadata.name,
  namespace: '',
  user: 'alice',
  dryRun: false,
  object,
  oldObject: stored,
})

/** Through both doors, as the API server sends a change. */
async function change(edit: Edit) {
  const object = structuredClone(stored)
  edit(object)
  const done = patched(object, patchOf(await mutateIp(world.ports, reviewOf(object))))
  return { done, verdict: await validateIp(world.ports, reviewOf(done)) }
}

describe('a change of a reservation', () => {
  it.for<[string, Edit]>([
    ['none at all', () => {}],
    ['another label', ({ metadata }) => Object.assign(metadata.labels!, { team: 'shop' })],
    ['another annotation', ({ metadata }) => Object.assign(metadata.annotations!, { note: 'x' })],
    [
      'asking for deletion by force',
      ({ metadata }) => Object.assign(metadata.annotations!, { 'berth/force': 'true' }),
    ],
    ['the node a Pod runs on', ({ spec }) => Object.assign(spec!, { nodeName: 'node-a' })],
  ])('%s passes as it is', async ([, edit]) => {
    const expected = structuredClone(stored)
    edit(expected)
    const { done, verdict } = await change(edit)
    expect(done).toEqual(expected)
    expect(verdict.kind).toBe('allowed')
  })

  it.for<[string, unknown]>([
    ['absent', undefined],
    ['null', null],
    ['""', ''],
  ])('a field that is %s keeps what it was', async ([, value]) => {
    for (const field of [
      'v4IpAddress',
      'v6IpAddress',
      'ipAddress',
      'macAddress',
      'podType',
      'subnet',
      'podName',
    ]) {
      const { done, verdict } = await change(({ spec }) => {
        if (value === undefined) delete spec![field]
        else spec![field] = value
      })
      expect(done, field).toEqual(stored)
      expect(verdict.kind).toBe('allowed')
    }
  })

  it('another spelling of the same is the same', async () => {
    const { done, verdict } = await change(({ spec }) => {
      spec!.macAddress = String(spec!.macAddress).toUpperCase()
    })
    expect(done).toEqual(stored)
    expect(verdict.kind).toBe('allowed')
  })

  it.for<[string, string]>([
    ['subnet', 'dual-stack'],
    ['namespace', 'other'],
    ['podName', 'web-2'],
    ['podType', 'StatefulSet'],
    ['v4IpAddress', '10.16.0.4'],
    ['v6IpAddress', 'fd00::4'],
    ['ipAddress', '10.16.0.4'],
    ['macAddress', '0a:00:00:00:00:01'],
  ])('%s to something else is refused, by name (D11)', async ([field, value]) => {
    const { verdict } = await change(({ spec }) => {
      spec![field] = value
    })
    expect(problemIn(verdict)).toMatchObject({ code: 'immutable_field', field: `spec.${field}` })
  })

  it('each of several is named', async () => {
    const { verdict } = await change(({ spec }) => Object.assign(spec!, { podName: 'b', namespace: 'c' }))
    expect(problemIn(verdict).findings?.map(({ field }) => field)).toEqual(['spec.namespace', 'spec.podName'])
  })
})

describe('kubectl replace of the file it was made from', () => {
  it('puts back what the file does not say', async () => {
    const file = ip({ spec: { v4IpAddress: '10.16.0.3' } })
    const { done, verdict } = await change((object) => {
      object.metadata = {
        ...file.metadata,
        uid: stored.metadata.uid!,
        resourceVersion: stored.metadata.resourceVersion!,
      }
      object.spec = file.spec!
    })
    expect(verdict.kind).toBe('allowed')
    expect(done.spec).toEqual(stored.spec)
    const { labels, annotations, finalizers } = stored.metadata
    expect(done.metadata).toMatchObject({ labels, annotations, finalizers })
  })
})

describe('a change of an object that is a Pod’s and no reservation', () => {
  beforeEach(() => {
    const { finalizers: _, annotations: __, ...metadata } = stored.metadata
    stored = { ...stored, metadata: { ...metadata, labels: { [SUBNET]: 'ovn-default' } } }
  })

  it('by the file of a reservation with another address is refused by field, with the way out (D11)', async () => {
    const { verdict } = await change(({ metadata, spec }) => {
      Object.assign(metadata.labels!, { [RESERVED]: 'true' })
      spec!.v4IpAddress = '10.16.0.9'
    })
    expect(problemIn(verdict)).toMatchObject({
      code: 'immutable_field',
      field: 'spec.v4IpAddress',
      findings: [{ hint: expect.stringContaining('/v1/adopt') }],
    })
  })

  it('that blanks what it has is refused', async () => {
    const { verdict } = await change(({ spec }) => {
      delete spec!.v4IpAddress
      spec!.ipAddress = ''
    })
    expect(problemIn(verdict).findings?.map(({ field }) => field)).toEqual([
      'spec.v4IpAddress',
      'spec.ipAddress',
    ])
  })

  it.for<[string, Edit]>([
    ['the label alone', ({ metadata }) => Object.assign(metadata.labels!, { [RESERVED]: 'true' })],
    ['the node its Pod runs on', ({ spec }) => Object.assign(spec!, { nodeName: 'node-b' })],
    ['another spelling', ({ spec }) => Object.assign(spec!, { macAddress: '0A:00:00:00:00:0A' })],
  ])('%s passes as it is', async ([, edit]) => {
    stored.spec!.macAddress = '0a:00:00:00:00:0a'
    const expected = structuredClone(stored)
    edit(expected)
    const { done, verdict } = await change(edit)
    expect(done).toEqual(expected)
    expect(verdict.kind).toBe('allowed')
  })

  it('passes while it has no address yet, and once it is being deleted', async () => {
    const edit: Edit = ({ spec }) =>
      Object.assign(spec!, { v4IpAddress: '10.16.0.9', ipAddress: '10.16.0.9' })
    const whole = stored
    stored = { ...whole, spec: { ...whole.spec, v4IpAddress: '', ipAddress: '' } }
    expect((await change(edit)).verdict.kind).toBe('allowed')
    stored = { ...whole, metadata: { ...whole.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } }
    expect((await change(edit)).verdict.kind).toBe('allowed')
  })
})

describe('the marks', () => {
  it('the label taken off is refused', async () => {
    const { verdict } = await change(({ metadata }) => {
      delete metadata.labels![RESERVED]
    })
    expect(problemIn(verdict)).toMatchObject({
      code: 'immutable_field',
      field: `metadata.labels["${RESERVED}"]`,
    })
  })

  it('or set to "false"', async () => {
    const { verdict } = await change(({ metadata }) =>
      Object.assign(metadata.labels!, { [RESERVED]: 'false' }),
    )
    expect(problemIn(verdict).field).toBe(`metadata.labels["${RESERVED}"]`)
  })

  it('unless the object is annotated, and then it is said that nothing was given back', async () => {
    const { verdict } = await change(({ metadata }) => {
      delete metadata.labels![RESERVED]
      Object.assign(metadata.annotations!, { 'berth/force': 'true' })
    })
    expect(verdict).toMatchObject({ kind: 'allowed', warnings: [expect.stringContaining('stays reserved')] })
  })

  it.for(['berth/op', 'berth/epoch'])('%s cannot be changed', async (name) => {
    const { verdict } = await change(({ metadata }) =>
      Object.assign(metadata.annotations!, { [name]: 'other' }),
    )
    expect(problemIn(verdict)).toMatchObject({
      code: 'immutable_field',
      field: `metadata.annotations["${name}"]`,
    })
  })

  it.for(['berth/op', 'berth/epoch'])('%s left out is put back', async (name) => {
    const { done } = await change(({ metadata }) => {
      delete metadata.annotations![name]
    })
    expect(done).toEqual(stored)
  })
})

describe('an ordinary IP object', () => {
  it('may be given the label, which keeps its address (D21)', async () => {
    Object.assign(stored.metadata, { labels: { [RESERVED]: 'false' }, annotations: {} })
    const { verdict } = await change(({ metadata }) =>
      Object.assign(metadata.labels!, { [RESERVED]: 'true' }),
    )
    expect(verdict.kind).toBe('allowed')
  })
})

describe('Berth’s own writes', () => {
  it('pass, whatever they change or remove: they were decided before', async () => {
    const own = { user: 'berth', namespace: '', name: stored.metadata.name, dryRun: false, oldObject: stored }
    const object = { ...stored, spec: { ...stored.spec, v4IpAddress: '10.16.0.9' } }
    for (const review of [
      { ...own, operation: 'UPDATE', object } as const,
      { ...own, operation: 'DELETE' } as const,
    ]) {
      expect(patchOf(await mutateIp(world.ports, review))).toEqual([])
      expect(await validateIp(world.ports, review)).toMatchObject({ kind: 'allowed' })
    }
  })
})

describe('a deletion', () => {
  const remove = (oldObject: KubeObject = stored) =>
    validateIp(world.ports, {
      operation: 'DELETE',
      name: oldObject.metadata.name,
      namespace: '',
      user: 'alice',
      dryRun: false,
      oldObject,
    })
  const make = (object: KubeObject) => world.ports.cluster.send([{ verb: 'create', object }])
  const pod = (phase = 'Running'): KubeObject => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace: 'default', name: 'web-1' },
    spec: {},
    status: { phase },
  })

  it('passes while nobody lives there', async () => {
    expect((await remove()).kind).toBe('allowed')
  })

  it('is refused under a living Pod, with the way out (D18)', async () => {
    await make(pod())
    const why = problemIn(await remove())
    expect(why).toMatchObject({ code: 'pod_alive', field: 'spec.podName' })
    expect(why.findings?.[0]?.hint).toContain('berth/force=true')
  })

  it('passes under a Pod that has ended', async () => {
    await make(pod('Succeeded'))
    expect((await remove()).kind).toBe('allowed')
  })

  it('passes under a living Pod when annotated, and says what that means', async () => {
    await make(pod())
    Object.assign(stored.metadata.annotations!, { 'berth/force': 'true' })
    expect(await remove()).toMatchObject({ kind: 'allowed', warnings: [expect.stringContaining('force')] })
  })

  it('passes again once it is under way', async () => {
    await make(pod())
    expect(
      (await remove({ ...stored, metadata: { ...stored.metadata, deletionTimestamp: 'now' } })).kind,
    ).toBe('allowed')
  })

  it('passes for an ordinary IP object, Pod or not', async () => {
    await make(pod())
    Object.assign(stored.metadata, { labels: { [RESERVED]: 'false' }, annotations: {} })
    expect((await remove()).kind).toBe('allowed')
  })

  it('is refused when nobody can tell who lives', async () => {
    world.intercept = async (requests) =>
      requests.map(() => ({
        ok: false,
        error: { reason: 'Unavailable', message: 'away', outcome: 'refused' },
      }))
    expect((await remove()).kind).toBe('failed')
  })
})
