import { expect, it } from 'vitest'
import { claimTurn, REPAIR_EVERY_MS } from '../../functions/objects/repair-clock.ts'

const notes = () => {
  const kept = new Map<string, number>()
  return {
    get: async (key: string) => kept.get(key),
    put: async (key: string, value: number) => void kept.set(key, value),
  }
}

it('a turn comes an hour after the first question, once an hour', async () => {
  const its = notes()
  const turns: number[] = []
  for (let ms = 5; ms < 3 * REPAIR_EVERY_MS; ms += 60_000) if (await claimTurn(its, ms)) turns.push(ms)
  expect(turns).toEqual([5 + REPAIR_EVERY_MS, 5 + 2 * REPAIR_EVERY_MS])
})

it('two who ask at the same time are told apart, and a clock that jumps back stops nothing', async () => {
  const its = notes()
  await claimTurn(its, 1_000)
  expect([
    await claimTurn(its, 1_000 + REPAIR_EVERY_MS),
    await claimTurn(its, 1_001 + REPAIR_EVERY_MS),
  ]).toEqual([true, false])
  expect(await claimTurn(its, 10)).toBe(false)
  expect(await claimTurn(its, 10 + REPAIR_EVERY_MS)).toBe(true)
})
