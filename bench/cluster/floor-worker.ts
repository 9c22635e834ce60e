// The least a Worker can do that promises an address only after it has written the promise down, and answers only after
// it has written down what the API server said: one row before the create, one after it, each flushed. No checks, no
// idempotency, no time limit, no mirror. What Berth costs above this is Berth's; what this costs is workerd's.
import { DurableObject, exports } from 'cloudflare:workers'

interface Env {
  readonly KUBE_API_URL: string
  /** The bearer token; the bench's own, of an API server that lives as long as the bench. */
  readonly FLOOR_TOKEN: string
}

export class Subnet extends DurableObject {
  constructor(state: DurableObjectState, env: Env) {
    super(state, env)
    state.storage.sql.exec(
      'CREATE TABLE IF NOT EXISTS lease (name TEXT PRIMARY KEY, state TEXT NOT NULL, rv TEXT)',
    )
  }

  hold(name: string): void {
    this.ctx.storage.sql.exec(`INSERT INTO lease (name, state) VALUES (?, 'held')`, name)
  }

  bind(name: string, rv: string): void {
    this.ctx.storage.sql.exec(`UPDATE lease SET state = 'bound', rv = ? WHERE name = ?`, rv, name)
  }
}

interface Created {
  readonly metadata: { readonly name: string; readonly resourceVersion: string }
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    if (request.method !== 'POST') return new Response()
    const body = await request.text()
    const { metadata } = JSON.parse(body) as Created
    const { Subnet: objects } = exports as unknown as { readonly Subnet: DurableObjectNamespace<Subnet> }
    await objects.getByName('floor').hold(metadata.name)
    const created = await fetch(`${env.KUBE_API_URL}/apis/kubeovn.io/v1/ips?fieldManager=berth`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${env.FLOOR_TOKEN}` },
      body,
    })
    if (created.status !== 201) return new Response(await created.text(), { status: 502 })
    const object = (await created.json()) as Created
    await objects.getByName('floor').bind(metadata.name, object.metadata.resourceVersion)
    return Response.json(object, { status: 201 })
  },
}
