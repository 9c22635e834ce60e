/** `npm run size`: the Worker as deployed (bundled, minified) must stay below the limit, gzipped. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { bundleWorker } from '../workerd/bundle.ts'

/** The Kubernetes client, OIDC, four chat platforms, three Git providers, DNS and files; Cloudflare takes 3 MiB from everybody. */
const LIMIT_KIB = 370

const { folder, modules } = await bundleWorker({ minify: true })
let bytes = 0
let gzipped = 0
for (const name of modules) {
  const content = readFileSync(join(folder, name))
  bytes += content.length
  gzipped += gzipSync(content, { level: 9 }).length
}
const kib = (count: number) => `${(count / 1024).toFixed(1)} KiB`
console.log(`bundle: ${kib(bytes)}, ${kib(gzipped)} gzipped (limit ${LIMIT_KIB} KiB)`)
if (gzipped > LIMIT_KIB * 1024) {
  console.error('The bundle is too large.')
  process.exit(1)
}
