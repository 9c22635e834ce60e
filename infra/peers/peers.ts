/** `npm run peers`: brings the real programs that `npm run test:peers` talks to, and says where they are. */
import { bring } from './binaries.ts'
import { bringGitea } from './gitea-build.ts'
import { bringOvn } from './ovn-package.ts'

const from = performance.now()
try {
  const { env: _none, ...ovn } = await bringOvn()
  const say = (line: string) => console.log(line)
  const binaries = { ...(await bring(say)), ...ovn, ...(await gitea(say)) }
  for (const [name, path] of Object.entries(binaries)) console.log(`${name}: ${path}`)
  console.log(`ready after ${((performance.now() - from) / 1000).toFixed(0)} s`)
} catch (error) {
  console.error((error as Error).message)
  process.exit(1)
}

/** Without it its suite is left out (vitest.peers.config.ts), and a stand-in speaks for it (test/gitops). */
async function gitea(say: (line: string) => void): Promise<{ gitea?: string }> {
  try {
    return { gitea: (await bringGitea(say)).gitea }
  } catch (error) {
    say(`no Gitea: ${(error as Error).message}`)
    return {}
  }
}
