/** `node infra/workerd/binary.ts <path>`: copies workerd there, for a place without Node. */
import { copyFileSync } from 'node:fs'
import { workerdBinary } from '../dev/workerd.ts'

const [path] = process.argv.slice(2)
if (path === undefined) {
  console.error('where to?')
  process.exit(2)
}
copyFileSync(workerdBinary(), path)
