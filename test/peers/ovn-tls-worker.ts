import { systemClock } from '../../shared/clock.ts'
import { Northbound } from '../../shared/ovn/northbound.ts'
import { parseRemotes } from '../../shared/ovn/ovsdb/remotes.ts'
import { type Connect, workerdTcp } from '../../shared/ovn/ovsdb/sockets.ts'
import type { OvnRequest } from '../../shared/ovn/port.ts'
import { systemRandom } from '../../shared/random.ts'

interface Env {
  readonly OVN_NB: string
  /** A network service of workerd, with its own authorities and client certificate. */
  readonly OVN: { readonly connect: Connect }
}

/** A server that refuses is not to be waited for. */
const limits = { callMs: 1_500 }

/** Asks the Northbound database what the body of a POST says; GET answers when the Worker runs. */
export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    if (request.method !== 'POST') return new Response('ready')
    const remotes = parseRemotes(env.OVN_NB)
    if (!remotes.ok) return new Response(remotes.error, { status: 500 })
    const tcp = workerdTcp((address, options) => env.OVN.connect(address, options))
    const ovn = new Northbound({
      tcp,
      clock: systemClock,
      random: systemRandom,
      remotes: remotes.value,
      limits,
    })
    try {
      const evidence = await ovn.send(await request.json<OvnRequest[]>())
      return Response.json({ status: await ovn.status(), evidence })
    } finally {
      ovn.close()
    }
  },
}
