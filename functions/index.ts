import { DurableObject } from 'cloudflare:workers'
export class Subnet extends DurableObject {
  n() {
    this.ctx.storage.sql.exec('create table if not exists a(b)')
    return 1
  }
}
export { Cluster } from './objects/cluster.ts'
export default { fetch: () => new Response('ok') }
