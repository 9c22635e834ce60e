import { describe, expect, test } from 'vitest'
import { adopt } from '../../shared/command/adopt.ts'
import { operation, reservation, reservations } from '../../shared/command/find.ts'
import type { CommandPorts } from '../../shared/command/ports.ts'
import { release } from '../../shared/command/release.ts'
import { reserve } from '../../shared/command/reserve.ts'
import type { ReleaseCommand, WriteOutcome } from '../../shared/command/types.ts'
import { validate } from '../../shared/command/validate.ts'
import { BesideWorld } from '../support/beside.ts'
import { reserved } from '../support/world.ts'

const NO_OVN = 'OVN_NB is none: no logical switch port was looked for'
const EXPOSED = ['no policy: a restart collects', 'no webhook: a restart gives another address']

const warningsOf = (outcome: WriteOutcome) => reserved(outcome).map(({ warnings }) => warnings)

function operationOf(outcome: WriteOutcome): string {
  if (outcome.kind !== 'pending') throw new Error(`expected 202, got ${JSON.stringify(outcome)}`)
  return outcome.operation
}

async function operationWarnings(ports: CommandPorts, id: string) {
  const view = await operation(ports, id)
  if (!view.ok) throw new Error(view.error.detail)
  return view.value.reservations.map(({ warnings }) => warnings)
}

/** A world with a and b reserved. */
async function two() {
  const beside = await BesideWorld.start()
  for (const podName of ['a', 'b']) reserved(await beside.reserve({ podName }))
  return beside
}

describe('OVN_NB=none is said in every answer about a release', () => {
  test.each<[string, Partial<ReleaseCommand>]>([
    ['of one', {}],
    ['by force', { force: true }],
    ['of a dry run', { dryRun: true }],
    ['of several', { targets: [{ name: 'a.default' }, { name: 'b.default' }] }],
    ['under a key', { idempotencyKey: 'k' }],
  ])('%s, and again when it is asked for again', async (_, more) => {
    const beside = await two()
    for (const turn of [1, 2]) {
      const told = warningsOf(await beside.release('a.default', more))
      expect([turn, told.length]).toEqual([turn, more.targets?.length ?? 1])
      for (const warnings of told) expect([turn, warnings]).toEqual([turn, expect.arrayContaining([NO_OVN])])
    }
  })

  test('that came after the 202: by the one who joined it, and by the operation', async () => {
    const beside = await two()
    beside.controller.pause()
    const id = operationOf(await beside.release('a.default'))
    expect(await operationWarnings(beside.ports, id)).toEqual([[NO_OVN]])
    const joined = release(beside.ports, beside.world.releaseCommand('a.default'))
    beside.controller.continue()
    expect(warningsOf(await beside.during(joined))).toEqual([[NO_OVN]])
    expect(await operationWarnings(beside.ports, id)).toEqual([[NO_OVN]])
    // Where ports are looked after it is not said.
    const settings = { ...beside.ports.settings, ovn: true }
    expect(await operationWarnings({ ...beside.ports, settings }, id)).toEqual([[]])
  })
})

describe('what a restart of the controller would do is said of each promise', () => {
  const exposed = (beside: BesideWorld): CommandPorts => ({
    ...beside.ports,
    settings: { ...beside.ports.settings, exposed: EXPOSED },
  })

  test('by a reserve, its dry run, its validation and its operation', async () => {
    const beside = await BesideWorld.start()
    const ports = exposed(beside)
    const command = beside.world.reserveCommand([{ podName: 'a' }])
    const preview = await beside.during(validate(ports, command))
    expect(preview.preview?.map(({ warnings }) => warnings)).toEqual([EXPOSED])
    const [dry] = warningsOf(await beside.during(reserve(ports, { ...command, dryRun: true })))
    expect(dry).toEqual(expect.arrayContaining(EXPOSED))
    beside.controller.pause()
    const id = operationOf(await beside.during(reserve(ports, command)))
    expect(await operationWarnings(ports, id)).toEqual([EXPOSED])
    const joined = reserve(ports, { ...command, idempotencyKey: 'other' })
    beside.controller.continue()
    expect(warningsOf(await beside.during(joined))).toEqual([EXPOSED])
    expect(await operationWarnings(ports, id)).toEqual([EXPOSED])
  })

  test('by an adoption and by each look at it, until it is given back', async () => {
    const beside = await BesideWorld.start()
    const ports = exposed(beside)
    await beside.pod('p')
    await beside.pass(1_000)
    const { tenant, requestId, bodyHash } = beside.world.releaseCommand('p.default')
    const target = { name: 'p.default' }
    const made = await beside.during(adopt(ports, { tenant, requestId, bodyHash, dryRun: false, target }))
    expect(made).toMatchObject({ reservations: [{ warnings: expect.arrayContaining(EXPOSED) }] })
    const one = await reservation(ports, 'p.default')
    expect(one).toMatchObject({ ok: true, value: { warnings: EXPOSED } })
    const listed = await reservations(ports, {}, { limit: 10 })
    expect(listed).toMatchObject({ ok: true, value: { items: [{ warnings: EXPOSED }] } })
    await beside.remove({ kind: 'Pod', namespace: 'default', name: 'p' })
    await beside.pass(1_000)
    const given = await beside.during(release(ports, beside.world.releaseCommand('p.default')))
    expect(warningsOf(given)).toEqual([[NO_OVN]])
    // Somebody else's is nobody's promise.
    await beside.pod('q')
    await beside.pass(1_000)
    expect(await reservation(ports, 'q.default')).toMatchObject({ value: { state: 'foreign', warnings: [] } })
  })
})
