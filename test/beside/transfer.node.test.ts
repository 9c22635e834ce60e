import { expect, it } from 'vitest'
import { transfer } from '../../shared/command/transfer.ts'
import { BesideWorld } from '../support/beside.ts'
import { reserved } from '../support/world.ts'

it('beside the controller a reservation passes over once that one has let go, and has acknowledged the new', async () => {
  const beside = await BesideWorld.start()
  const [made] = reserved(await beside.reserve())
  const command = {
    tenant: 'anonymous',
    requestId: 'r',
    dryRun: false,
    bodyHash: '',
    target: { name: 'pod-a.default', subnet: 'ovn-default' },
    to: { namespace: 'shop', podName: 'pod-b', podType: '' as const },
    force: false,
  }
  const outcome = await beside.during(transfer(beside.ports, command))
  if (outcome.kind === 'refused') throw new Error(JSON.stringify(outcome.problem))
  await beside.pass(60_000)
  const row = await beside.world.ledger().find('pod-b.shop')
  expect(row).toMatchObject({ id: made?.id, state: 'bound', v4: made?.v4IpAddress, mac: made?.macAddress })
  expect(beside.ip('pod-a.default')).toBeUndefined()
  expect(beside.ip('pod-b.shop')).toMatchObject({
    metadata: { finalizers: ['kubeovn.io/kube-ovn-controller'] },
    spec: { v4IpAddress: made?.v4IpAddress, macAddress: made?.macAddress },
  })
})
