/** `npm run peers`: brings the real programs that `npm run test:peers` talks to, and says where they are. */
import { bring } from './binaries.ts'

const from = performance.now()
try {
  const binaries = await bring((line) => console.log(line))
  for (const [name, path] of Object.entries(binaries)) console.log(`${name}: ${path}`)
  console.log(`ready after ${((performance.now() - from) / 1000).toFixed(0)} s`)
} catch (error) {
  console.error((error as Error).message)
  process.exit(1)
}
