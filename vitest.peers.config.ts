import { cloudflareTest } from '@cloudflare/vitest-plugin'
import { defineConfig } from 'vitest/config'
import { locateGitea } from './infra/peers/gitea-build.ts'

// `npm run test:peers`: suites against real programs (API server, OVSDB server), which must be on this machine.
// `peers` runs in Node, beside the programs it starts; `peers-workerd` (*.workerd.test.ts) runs inside workerd.
export default defineConfig({
  test: {
    fileParallelism: false,
    projects: [
      {
        test: {
          name: 'peers',
          environment: 'node',
          include: ['test/peers/**/*.test.ts'],
          exclude: [
            'test/peers/**/*.workerd.test.ts',
            // Gitea cannot be built everywhere; where it is not, a stand-in speaks for it (test/gitops).
            ...(locateGitea() ? [] : ['test/peers/gitea.test.ts']),
          ],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
      {
        plugins: [cloudflareTest({ wrangler: { configPath: './wrangler.toml' } })],
        resolve: { alias: { undici: `${import.meta.dirname}/shared/cluster/kubernetes/undici.ts` } },
        test: {
          name: 'peers-workerd',
          include: ['test/peers/**/*.workerd.test.ts'],
          globalSetup: ['test/peers/workerd-setup.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
})
