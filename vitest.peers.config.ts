import { defineConfig } from 'vitest/config'

// `npm run test:peers`: suites against real programs (API server, OVSDB server), which must be on this machine.
export default defineConfig({
  test: {
    name: 'peers',
    environment: 'node',
    include: ['test/peers/**/*.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    fileParallelism: false,
  },
})
