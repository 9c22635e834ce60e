import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { answers200, until } from '../../infra/dev/wait.ts'
import { workerdBinary } from '../../infra/dev/workerd.ts'
import { certify, makeAuthority, makeCertificates, type Pair } from '../../infra/peers/certificates.ts'
import { type OvnNorthbound, startNorthbound } from '../../infra/peers/ovn.ts'
import { OwnedProcess } from '../../infra/peers/owned-process.ts'
import { freePorts } from '../../infra/peers/ports.ts'
import { nodeTcp } from '../../infra/peers/tcp.ts'
import type { OvnEvidence, OvnRequest, OvnStatus } from '../../shared/ovn/port.ts'
import { OvnWorld } from '../ovn/contract.ts'

const folder = mkdtempSync(join(tmpdir(), 'berth-ovn-tls-'))
type Client = Pair & { readonly ca: string }
let client: Client
let northbound: OvnNorthbound

beforeAll(async () => {
  const server = await makeCertificates(folder)
  const authority = await makeAuthority(folder)
  const made = await certify(folder, authority, {
    name: 'berth',
    commonName: 'berth',
    usage: 'clientAuth',
    names: 'DNS:berth',
  })
  client = { ...made, ca: authority.certificate }
  northbound = await startNorthbound({ tls: { server, client } })
})
afterAll(async () => {
  await northbound?.stop()
  rmSync(folder, { recursive: true, force: true })
})

/** The Worker beside this file in plain workerd, whose network OVN has these TLS options. */
async function startWorker(name: string, tlsOptions: string) {
  const wrangler = createRequire(import.meta.url).resolve('wrangler/package.json')
  const esbuild = createRequire(wrangler)('esbuild')
  await esbuild.build({
    entryPoints: [join(import.meta.dirname, 'ovn-tls-worker.ts')],
    bundle: true,
    format: 'esm',
    external: ['cloudflare:*'],
    outfile: join(folder, 'worker.js'),
  })
  const [port] = await freePorts(1)
  const config = join(folder, `${name}.capnp`)
  writeFileSync(
    config,
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .main),
    (name = "ovn", network = (allow = ["private"], tlsOptions = (${tlsOptions}))),
  ],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
);
const main :Workerd.Worker = (
  compatibilityDate = "2026-10-01",
  modules = [(name = "worker.js", esModule = embed "worker.js")],
  bindings = [(name = "OVN", service = "ovn"), (name = "OVN_NB", text = "${northbound.remotes}")],
);
`,
  )
  const worker = new OwnedProcess(workerdBinary(), ['serve', config], join(folder, `${name}.log`))
  const url = `http://127.0.0.1:${port}`
  await until('workerd answers', 20_000, async () => {
    if (!worker.isRunning) throw new Error(worker.log())
    return (await answers200(url)) || undefined
  })
  const send = async (requests: readonly OvnRequest[]) => {
    const reply = await fetch(url, { method: 'POST', body: JSON.stringify(requests) })
    if (reply.status !== 200) throw new Error(`${reply.status} ${await reply.text()}\n${worker.log()}`)
    return (await reply.json()) as { status: OvnStatus; evidence: OvnEvidence[] }
  }
  return { send, stop: () => worker.stop() }
}

describe('ssl: remotes', () => {
  it('in Node: found and cut over TLS with a client certificate', async () => {
    const world = new OvnWorld({ tcp: nodeTcp({ tls: client }), remotes: northbound.remotes })
    const owner = await world.newOwner()
    const id = await world.addPort(owner)
    expect(await world.cut(owner, id)).toEqual({ result: 'cut' })
    world.close()
  })

  it('in workerd: found and cut over TLS with the client certificate of a network service', async () => {
    const world = new OvnWorld({ tcp: nodeTcp({ tls: client }), remotes: northbound.remotes })
    const worker = await startWorker(
      'with',
      'trustedCertificates = [embed "ca.crt"], keypair = (privateKey = embed "berth.key", certificateChain = embed "berth.crt")',
    )
    try {
      const owner = await world.newOwner()
      const id = await world.addPort(owner)
      const found = await worker.send([{ verb: 'name', owner }])
      expect(found).toMatchObject({
        status: { ready: true, detail: northbound.remotes },
        evidence: [{ result: 'found', port: { uuid: id } }],
      })
      expect((await worker.send([{ verb: 'cut', owner, uuid: id }])).evidence).toEqual([{ result: 'cut' }])
    } finally {
      world.close()
      await worker.stop()
    }
  })

  it.each([
    ['without a client certificate', 'trustedCertificates = [embed "ca.crt"]'],
    ['without the authority', 'trustBrowserCas = true'],
  ])('in workerd %s: nobody is asked, and nothing is guessed', async (name, options) => {
    const worker = await startWorker(name.replaceAll(' ', '-'), options)
    try {
      const owner = { name: 'a.b', subnet: 's', pod: 'b/a' }
      const { status, evidence } = await worker.send([{ verb: 'name', owner }])
      expect(status.ready).toBe(false)
      expect(evidence).toMatchObject([{ result: 'later', reason: 'unreachable' }])
    } finally {
      await worker.stop()
    }
  })
})
