import { cloudflareTest } from '@cloudflare/vitest-plugin'
import { defineConfig } from 'vitest/config'
import { CLUSTERS } from './test/support/clusters.ts'
import { SENDERS } from './test/support/senders.ts'

// Two projects: `workerd` runs *.test.ts inside workerd with real Durable Objects; `node` runs *.node.test.ts
// (pure parts, processes, the repository itself). A pure part that must hold in both is a *.pure.test.ts.
export default defineConfig({
  test: {
    projects: [
      {
        plugins: [
          cloudflareTest({
            wrangler: { configPath: './wrangler.toml' },
            miniflare: { bindings: { ...SENDERS, ...CLUSTERS } },
          }),
        ],
        resolve: { alias: { undici: `${import.meta.dirname}/shared/cluster/kubernetes/undici.ts` } },
        test: {
          name: 'workerd',
          include: ['test/**/*.test.ts'],
          exclude: ['test/**/*.node.test.ts', 'test/peers/**'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'node',
          environment: 'node',
          include: ['test/**/*.node.test.ts', 'test/**/*.pure.test.ts'],
          exclude: ['test/peers/**'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
})
