import { expect, it } from 'vitest'
import { putSubnet } from '../../shared/command/subnets.ts'
import { subnetManifest } from '../support/drive.ts'
import { World } from '../support/world.ts'

const META = { labels: { team: 'storage' }, annotations: { note: 'rack 7' } }

async function put(world: World, metadata: object, spec: object = {}) {
  const manifest = subnetManifest({ cidrBlock: '10.30.0.0/24', ...spec })
  const written = await putSubnet(
    world.ports,
    { ...manifest, metadata: { ...manifest.metadata, ...metadata } },
    false,
  )
  expect(written.ok).toBe(true)
  const [reply] = world.store.send([{ verb: 'get', ref: { kind: 'Subnet', name: 'lab' } }])
  if (!reply?.ok) throw new Error('no Subnet')
  return reply.value.metadata
}

it('a new Subnet keeps the labels and annotations of its manifest', async () => {
  expect(await put(new World(), META)).toMatchObject(META)
})

it('a changed Subnet takes new labels and keeps what the manifest does not speak of', async () => {
  const world = new World()
  const before = await put(world, META)
  const after = await put(world, { labels: { team: 'network' } }, { excludeIps: ['10.30.0.9'] })
  expect(after).toMatchObject({ labels: { team: 'network' }, annotations: META.annotations })
  expect(after.uid).toBe(before.uid)
})
