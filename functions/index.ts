import { DurableObject } from 'cloudflare:workers'
export class Subnet extends DurableObject {
  n() {
    this.ctx.storage.sql.exec('create table if not exists a(b)')
    return 1
  }
}
export class Cluster extends DurableObject {}
export default { fetch: () => new Response('ok') }
