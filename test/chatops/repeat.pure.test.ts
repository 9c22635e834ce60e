import { expect, it } from 'vitest'
import { parseCommand } from '../../functions/chatops/command.ts'
import { execute } from '../../functions/chatops/execute.ts'
import { EVERY_RIGHT } from '../../shared/access/caller.ts'
import { FakeBerth, granted } from '../support/fake-berth.ts'

const HELD = granted({ subnet: 'chat-a', namespace: 'shop', podName: 'web', podType: '' })

/** What the ledger tells repeated writes by. */
interface Told {
  readonly idempotencyKey: string
  readonly bodyHash: string
}

it.each(['release web.shop confirm', 'release shop/web confirm because moved'])(
  '%s: repeated while it was pending, it says the same under its key',
  async (sentence) => {
    const fake = new FakeBerth({
      reservation: async () => ({ ok: true, value: HELD }),
      reservations: async () => ({ ok: true, value: { items: [HELD] } }),
      release: async () => ({
        kind: 'pending',
        operation: 'op_1',
        retryAfterMs: 1_000,
        reservations: [HELD],
      }),
    })
    const speaker = {
      caller: { tenant: 'chat', rights: EVERY_RIGHT },
      key: 'delivery-1',
      requestId: 'r',
    }
    const command = parseCommand(sentence)
    if (!command.ok) throw new Error(command.error.wrong)
    const first = await execute(fake.berth, command.value, speaker)
    if (!first.waiting) throw new Error('nothing to wait for')
    await execute(fake.berth, first.waiting, speaker)
    const [once, again, ...more] = fake.calls.flatMap(({ verb, with: [asked] }) =>
      verb === 'release' ? [asked as Told] : [],
    )
    expect(more).toEqual([])
    expect(once?.idempotencyKey).toBe('delivery-1')
    expect(again).toEqual({ ...once, permit: expect.any(Function) })
  },
)
