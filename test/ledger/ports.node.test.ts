import { describe, expect, it } from 'vitest'
import { reservation } from '../../shared/command/find.ts'
import { release } from '../../shared/command/release.ts'
import { reserve } from '../../shared/command/reserve.ts'
import { validate } from '../../shared/command/validate.ts'
import type { OvnEvidence } from '../../shared/ovn/port.ts'
import { answered, driven, dyingAt, put, warm } from '../support/drive.ts'
import { FakePorts } from '../support/ports.ts'
import { snapshot } from '../support/snapshot.ts'
import { refusal, reserved, type World } from '../support/world.ts'

const NAME = 'pod-a.default'
const POD = { kind: 'Pod', namespace: 'default', name: 'pod-a' } as const

/** A world that looks after ports, with one reservation whose Pod has been and left its port. */
async function lab(settings = {}) {
  const ports = new FakePorts()
  const world = await warm({ ovn: true, ...settings }, (made) => {
    made.ovn = ports
  })
  const [lease] = reserved(await reserve(world.ports, world.reserveCommand([{}])))
  if (!lease) throw new Error('no reservation')
  const port = ports.add(NAME, 'default/pod-a', lease.v4IpAddress)
  ports.asked.length = 0
  return { world, ports, port, address: lease.v4IpAddress }
}

const free = (world: World) => release(world.ports, world.releaseCommand(NAME))
const hasObject = (world: World) =>
  world.store.send([{ verb: 'get', ref: { kind: 'IP', name: NAME } }])[0]?.ok
const startPod = (world: World) =>
  world.store.send([
    {
      verb: 'create',
      object: {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: POD.name, namespace: POD.namespace },
        spec: {},
      },
    },
  ])
const endPod = (world: World) => {
  const [pod] = world.store.send([{ verb: 'get', ref: POD }])
  if (!pod?.ok) throw new Error('no Pod')
  world.store.send([{ verb: 'delete', ref: POD, uid: pod.value.metadata.uid ?? '' }])
}

describe('a release', () => {
  it('cuts the port of its owner, then deletes the object', async () => {
    const { world, ports, port } = await lab()
    const deleted: number[] = []
    world.intercept = (requests, pass) => {
      if (requests.some(({ verb }) => verb === 'delete')) deleted.push(ports.cuts.length)
      return pass(requests)
    }
    const [told] = reserved(await free(world))
    expect(told?.warnings).toEqual([])
    expect(ports.cuts).toEqual([port.uuid])
    expect(deleted).toEqual([1])
    expect(hasObject(world)).toBe(false)
  })

  it('asks for no cut where there is no port', async () => {
    const { world, ports } = await lab()
    ports.ports.clear()
    reserved(await free(world))
    expect(ports.asked.map(({ verb }) => verb)).toEqual(['name'])
  })

  it('leaves somebody else’s port alone, goes on, and says so', async () => {
    const { world, ports } = await lab()
    ports.add(NAME, 'default/other', '10.16.0.9')
    const [told] = reserved(await free(world))
    expect(told?.warnings).toEqual([`logical switch port ${NAME} was left alone: its pod is "default/other"`])
    expect([ports.cuts, hasObject(world)]).toEqual([[], false])
  })

  it('does not cut one that was made anew between look and cut', async () => {
    const { world, ports } = await lab()
    ports.intercept = (request, pass) => {
      if (request.verb === 'cut') ports.add(NAME, 'default/pod-a', '10.16.0.9')
      return pass()
    }
    const [told] = reserved(await free(world))
    expect(told?.warnings).toEqual([`logical switch port ${NAME} was left alone: it was made anew`])
    expect(ports.cuts).toEqual([])
  })

  const lost: OvnEvidence = { result: 'unknown', detail: 'the connection broke' }
  it.each<[string, boolean, number]>([
    ['was carried out', true, 1],
    ['was not carried out', false, 2],
  ])('reads the port again where the reply to a cut is lost: it %s', async (_, carriedOut, cuts) => {
    const { world, ports, port } = await lab()
    let first = true
    ports.intercept = (request, pass) => {
      if (request.verb !== 'cut' || !first) return pass()
      first = false
      if (carriedOut) pass()
      return lost
    }
    reserved(await answered(world, free(world)))
    expect(ports.asked.filter(({ verb }) => verb === 'cut')).toHaveLength(cuts)
    expect(ports.cuts).toEqual([port.uuid])
  })

  it('of several cuts the port of each, and answers when all are gone', async () => {
    const { world, ports, port } = await lab()
    const [second] = reserved(await reserve(world.ports, world.reserveCommand([{ podName: 'pod-b' }])))
    const other = ports.add('pod-b.default', 'default/pod-b', second?.v4IpAddress ?? '')
    let first = true
    ports.intercept = (request, pass) => {
      if (request.verb !== 'cut' || request.owner.name !== 'pod-b.default' || !first) return pass()
      first = false
      return { result: 'later', reason: 'no_leader', detail: 'no server leads' }
    }
    const targets = [{ name: NAME }, { name: 'pod-b.default' }]
    const outcome = await answered(world, release(world.ports, world.releaseCommand(NAME, { targets })))
    expect(reserved(outcome).map(({ name, warnings }) => [name, warnings])).toEqual([
      [NAME, []],
      ['pod-b.default', []],
    ])
    expect(ports.cuts).toEqual([port.uuid, other.uuid])
  })

  it('that is forced does not ask for the owner before it cuts', async () => {
    const { world, ports, port } = await lab()
    startPod(world)
    reserved(await release(world.ports, world.releaseCommand(NAME, { force: true })))
    expect(ports.cuts).toEqual([port.uuid])
  })

  it('waits while nobody can be asked, and goes on when somebody can', async () => {
    const { world, ports, port } = await lab()
    ports.intercept = () => ({ result: 'later', reason: 'no_leader', detail: 'no server leads' })
    expect(await driven(world, free(world))).toMatchObject({ kind: 'pending' })
    await world.pass(60_000)
    expect([ports.cuts, hasObject(world)]).toEqual([[], true])
    ports.intercept = (_, pass) => pass()
    await world.pass(120_000)
    expect([ports.cuts, hasObject(world)]).toEqual([[port.uuid], false])
  })

  it('does not cut under a Pod that started meanwhile, and goes on when that has gone', async () => {
    const { world, ports, port } = await lab()
    let started = false
    ports.intercept = (request, pass) => {
      if (request.verb === 'name' && !started) {
        started = true
        startPod(world)
      }
      return pass()
    }
    const outcome = await driven(world, free(world))
    if (outcome.kind !== 'pending') throw new Error(outcome.kind)
    await world.pass(200_000)
    expect([ports.cuts, hasObject(world)]).toEqual([[], true])
    expect(await world.ledger().operation(outcome.operation)).toMatchObject({
      ...{ kind: 'release', state: 'running', phase: 'pod_started' },
    })
    expect((await world.ledger().find(NAME))?.notes).toEqual([
      `the release of ${NAME} waits: Pod default/pod-a is alive`,
    ])
    endPod(world)
    await world.pass(120_000)
    expect([ports.cuts, hasObject(world)]).toEqual([[port.uuid], false])
    expect(await world.ledger().operation(outcome.operation)).toMatchObject({ state: 'done' })
  })

  it('asks for the owner once more before a cut whose step was never reported', async () => {
    const { world, ports } = await lab()
    const died = await dyingAt(world, cutPoint, () => free(world))
    expect(died).toBe('before port cut is sent')
    startPod(world)
    await world.pass(60_000)
    expect(ports.cuts).toEqual([])
  })

  it('ends the same wherever the process dies', async () => {
    const points: string[] = []
    for (let n = 0; ; n++) {
      const { world, ports, port } = await lab()
      const died = await dyingAt(world, n, () => free(world))
      if (died === undefined) break
      points.push(died)
      await world.pass(300_000)
      const state = (await world.ledger().find(NAME))?.state
      if (state === 'bound') reserved(await answered(world, free(world)))
      expect([n, died, ports.cuts, hasObject(world)]).toEqual([n, died, [port.uuid], false])
      expect(await world.ledger().find(NAME)).toBeUndefined()
    }
    expect(points).toContain('before port cut is sent')
    expect(points).toContain('after port cut took effect')
  })
})

describe('whoever looks at a reservation', () => {
  const look = async (world: World) => {
    const found = await answered(world, reservation(world.ports, NAME, 'ovn-default'))
    if (!found.ok) throw new Error(found.error.detail)
    return found.value
  }

  it('sees the owner’s port', async () => {
    const { world, ports, port } = await lab()
    ports.ports.set(NAME, { ...port, up: true, requestedChassis: 'node-1' })
    const { uuid, addresses } = port
    const told = { uuid, addresses, up: true, requestedChassis: 'node-1' }
    expect(await look(world)).toMatchObject({ port: told, warnings: [] })
  })

  it.each<[string, OvnEvidence | undefined, string[]]>([
    ['no port', { result: 'absent' }, []],
    [
      'no answer',
      { result: 'later', reason: 'unreachable', detail: '' },
      ['OVN does not say whether there is a logical switch port'],
    ],
    ['another’s', undefined, [`logical switch port ${NAME} is not its owner's: its pod is "default/other"`]],
  ])('sees none where there is %s', async (_, answer, warnings) => {
    const { world, ports } = await lab()
    ports.add(NAME, 'default/other', '10.16.0.9')
    ports.intercept = (_request, pass) => answer ?? pass()
    const shown = await look(world)
    expect([shown.port, shown.warnings]).toEqual([undefined, warnings])
  })

  it('does not wait for a database that stands still', async () => {
    const { world, ports } = await lab()
    ports.send = () => new Promise(() => {})
    expect((await look(world)).warnings).toHaveLength(1)
  })
})

/** The point at which a release of `lab` is about to cut. */
const cutPoint = await (async () => {
  for (let n = 0; n < 50; n++) {
    const { world } = await lab()
    if ((await dyingAt(world, n, () => free(world))) === 'before port cut is sent') return n
  }
  throw new Error('no release comes to a cut')
})()

describe('a reserve', () => {
  const wish = (world: World, more = {}) =>
    answered(world, reserve(world.ports, world.reserveCommand([{ podName: 'new', ...more }])))

  it('looks by name and address before it posts', async () => {
    const { world, ports } = await lab()
    world.sent.length = 0
    ports.intercept = (_, pass) => {
      expect(world.sent.filter(({ verb }) => verb === 'create')).toEqual([])
      return pass()
    }
    reserved(await wish(world))
    expect(ports.asked.map(({ verb }) => verb)).toEqual(['name', 'address'])
  })

  it.each([
    ['the owner’s own', 'default/new', 'without an IP object'],
    ['somebody else’s', 'default/other', 'its pod is "default/other"'],
  ])('is refused where a port has the name: %s', async (_, pod, why) => {
    const { world, ports } = await lab()
    const before = ports.add('new.default', pod, '10.16.77.1')
    const problem = refusal(await wish(world))
    expect([problem.code, problem.detail]).toEqual(['port_exists', expect.stringContaining(why)])
    expect(ports.ports.get('new.default')).toBe(before)
    expect(await world.ledger().find('new.default')).toBeUndefined()
  })

  it('adopts the owner’s object where that is there with the port', async () => {
    const { world, ports } = await lab()
    ports.add('new.default', 'default/new', '10.16.77.1')
    const spec = {
      ...{ subnet: 'ovn-default', namespace: 'default', podName: 'new', podType: '' },
      ...{ v4IpAddress: '10.16.77.1', ipAddress: '10.16.77.1', macAddress: '00:00:00:00:00:01' },
    }
    const object = { apiVersion: 'kubeovn.io/v1', kind: 'IP', metadata: { name: 'new.default' }, spec }
    world.store.send([{ verb: 'create', object }])
    world.sent.length = 0
    expect(reserved(await wish(world))[0]).toMatchObject({ v4IpAddress: '10.16.77.1', state: 'bound' })
    expect(world.sent.filter(({ verb }) => verb === 'create')).toEqual([])
  })

  it('takes another address where a port carries the one that was chosen', async () => {
    const { world, ports } = await lab()
    const next = reserved(await wish(world, { podName: 'probe' }))[0]?.v4IpAddress ?? ''
    const [a, b] = [1, 2].map((n) => next.replace(/\d+$/, (last) => String(Number(last) + n)))
    ports.add('stray.default', 'default/stray', a ?? '')
    expect(reserved(await wish(world))[0]?.v4IpAddress).toBe(b)
    const others = reserved(await wish(world, { podName: 'later' }))[0]?.v4IpAddress
    expect(others).not.toBe(a)
    expect(await world.ledger().find('port/stray.default')).toMatchObject({ state: 'quarantined', v4: a })
    // A minute at least, though nothing else cools down here.
    await world.pass(60_000)
    expect(await world.ledger().find('port/stray.default')).toMatchObject({ state: 'quarantined' })
    await world.pass(60_000)
    expect(await world.ledger().find('port/stray.default')).toBeUndefined()
  })

  it.each(['v4IpAddress', 'v6IpAddress'] as const)(
    'of both families takes others where a port carries its %s',
    async (family) => {
      const { world, ports } = await lab()
      await put(world, { cidrBlock: '10.31.0.0/24,fd00:31::/120', protocol: 'Dual' }, 'dual')
      const foretold = await validate(
        world.ports,
        world.reserveCommand([{ subnet: 'dual', podName: 'new' }], { dryRun: true }),
      )
      const chosen = foretold.preview?.[0]?.[family] ?? ''
      ports.add('stray.default', 'default/stray', chosen)
      const [made] = reserved(await wish(world, { subnet: 'dual' }))
      expect(made?.v4IpAddress).toMatch(/^10\.31\.0\.\d+$/)
      expect(made?.v6IpAddress).toMatch(/^fd00:31::/)
      expect([made?.v4IpAddress, made?.v6IpAddress]).not.toContain(chosen)
      const object = world.store.send([{ verb: 'get', ref: { kind: 'IP', name: 'new.default' } }])[0]
      expect(object?.ok && object.value.spec).toMatchObject({
        v4IpAddress: made?.v4IpAddress,
        v6IpAddress: made?.v6IpAddress,
      })
    },
  )

  it('is refused where a port carries the address that was asked for', async () => {
    const { world, ports } = await lab()
    ports.add('stray.default', 'default/stray', '10.16.88.1')
    expect(refusal(await wish(world, { v4IpAddress: '10.16.88.1' }))).toMatchObject({
      code: 'address_taken',
      detail: 'logical switch port stray.default carries the address',
    })
    ports.ports.clear()
    reserved(await wish(world, { v4IpAddress: '10.16.88.1' }))
  })

  describe.each(['a dry run', 'a validation'])('is foretold by %s', (by) => {
    const foretold = async (world: World, ...items: object[]) => {
      const command = world.reserveCommand(
        items.map((more) => ({ podName: 'new', ...more })),
        { dryRun: true },
      )
      const before = snapshot(world)
      const told =
        by === 'a dry run'
          ? await answered(world, reserve(world.ports, command))
          : await answered(world, validate(world.ports, command))
      expect(snapshot(world)).toEqual(before)
      if ('allowed' in told) return told.findings.map(({ code, field, item }) => [code, field, item])
      if (told.kind === 'done') return []
      return refusal(told).findings?.map(({ code, field, item }) => [code, field, item])
    }

    it.each([
      ['default/new', 'the owner’s own'],
      ['default/other', 'somebody else’s'],
    ])('where a port has the name (%s, %s)', async (pod) => {
      const { world, ports } = await lab()
      ports.add('new.default', pod, '10.16.77.1')
      expect(await foretold(world, {})).toEqual([['port_exists', 'name', undefined]])
    })

    it('where a port carries the address that was asked for, and not one that would be chosen', async () => {
      const { world, ports } = await lab()
      ports.add('stray.default', 'default/stray', '10.16.88.1')
      const asked = { v4IpAddress: '10.16.88.1' }
      expect(await foretold(world, asked)).toEqual([['address_taken', 'v4IpAddress', undefined]])
      expect(await foretold(world, { podName: 'a' }, asked)).toEqual([['address_taken', 'v4IpAddress', 1]])
      const next = reserved(await wish(world, { podName: 'probe' }))[0]?.v4IpAddress ?? ''
      ports.add(
        'other.default',
        'default/other',
        next.replace(/\d+$/, (last) => String(Number(last) + 1)),
      )
      expect(await foretold(world, {})).toEqual([])
    })

    it('and asks nobody about what is reserved already', async () => {
      const { world, ports } = await lab()
      expect(await foretold(world, { podName: 'pod-a' })).toEqual([])
      expect(ports.asked).toEqual([])
    })

    it('as unknown where OVN does not say', async () => {
      const { world, ports } = await lab()
      ports.intercept = () => ({ result: 'later', reason: 'unreachable', detail: 'nobody answers' })
      expect(await foretold(world, {})).toEqual([['unavailable', undefined, undefined]])
      ports.send = () => new Promise(() => {})
      expect(await foretold(world, {})).toEqual([['unavailable', undefined, undefined]])
    })
  })

  it('gives up in time where OVN does not say', async () => {
    const { world, ports } = await lab()
    ports.intercept = () => ({ result: 'later', reason: 'unreachable', detail: 'nobody answers' })
    expect(await wish(world)).toMatchObject({ kind: 'pending' })
    await world.pass(120_000)
    expect(await world.ledger().find('new.default')).toBeUndefined()
  })
})

describe('where ports carry all that is left', () => {
  const names = (podNames: readonly string[]) => podNames.map((podName) => ({ subnet: 'tiny', podName }))

  it.each([
    ['one', ['new'], 6],
    ['a group', ['new', 'newer'], 6],
    ['a group whose first one takes the last address', ['new', 'newer'], 5],
  ] as const)('a reserve of %s ends, out of room, and leaves nothing held', async (_, podNames, carried) => {
    const { world, ports } = await lab()
    await put(world, { cidrBlock: '10.31.0.0/29' }, 'tiny')
    for (let last = 1; last <= carried; last++)
      ports.add(`s${last}.default`, `default/s${last}`, `10.31.0.${last}`)
    const outcome = await answered(world, reserve(world.ports, world.reserveCommand(names(podNames))), 'tiny')
    expect(refusal(outcome)).toMatchObject({
      code: 'no_capacity',
      detail: expect.stringMatching(
        /^logical switch port s\d.default carries 10.31.0.\d, and no other is left/,
      ),
    })
    for (const podName of podNames) {
      expect(await world.ledger('tiny').find(`${podName}.default`)).toBeUndefined()
    }
    ports.ports.clear()
    await world.pass(600_000, 'tiny')
    const [lease] = reserved(
      await answered(world, reserve(world.ports, world.reserveCommand(names(['new']))), 'tiny'),
    )
    expect(lease?.v4IpAddress).toMatch(/^10\.31\.0\./)
  })
})
