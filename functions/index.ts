import { consoleLog } from '../shared/log.ts'
import { systemRandom } from '../shared/random.ts'
import { createApp } from './app.ts'
import { berthOf, type Env } from './env.ts'
import { accessOf } from './settings.ts'
import { VERSION } from './version.ts'

export { Cluster } from './objects/cluster.ts'
export { Subnet } from './objects/subnet.ts'

export default createApp<Env>((c) => berthOf(c.env), {
  log: consoleLog,
  random: systemRandom,
  version: VERSION,
  access: (c) => accessOf(c.env),
  assets: (c) => c.env.ASSETS,
})
