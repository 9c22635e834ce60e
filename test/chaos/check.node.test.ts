import { describe, expect, it } from 'vitest'
import { violations } from '../../infra/dev/chaos/check.ts'
import type { Answer, Intent, Promised } from '../../infra/dev/chaos/history.ts'
import { Prng } from '../../infra/dev/chaos/prng.ts'
import type { Snapshot, SubnetCount } from '../../infra/dev/chaos/snapshot.ts'

const row = (name: string, change: Partial<Promised> = {}): Promised => ({
  id: `id-${name}`,
  name,
  state: 'bound',
  subnet: 's',
  v4IpAddress: '10.0.0.2',
  v6IpAddress: '',
  macAddress: '02:00:00:00:00:01',
  operation: 'op_1',
  ...change,
})

const released = (of: Promised): Promised => ({ ...of, state: 'quarantined', operation: 'op_2' })

const answer = (status: number, body: unknown, returnedMs: number): Answer => ({
  status,
  text: JSON.stringify(body),
  returnedMs,
})

let number = 0
function intent(
  kind: Intent['kind'],
  names: string[],
  invokedMs: number,
  final?: Answer,
  change: Partial<Intent> = {},
) {
  number++
  return {
    number,
    client: 0,
    kind,
    method: 'POST',
    path: `/v1/${kind}`,
    body: names.join(),
    key: `key-${number}`,
    names,
    invokedMs,
    attempts: 1,
    answers: final ? [final] : [],
    ...(final ? { final } : {}),
    ...change,
  } satisfies Intent
}

const counts = (change: Record<string, number> = {}): SubnetCount => ({
  name: 's',
  cidrBlock: '10.0.0.0/29',
  v4usingIPs: 1,
  v6usingIPs: 0,
  ledger: {
    v4: {
      usable: 6,
      bound: 1,
      held: 0,
      releasing: 0,
      quarantined: 0,
      foreign: 0,
      stranded: 0,
      excluded: 1,
      free: 4,
      ...change,
    },
  },
})

const snapshot = (reservations: Promised[], subnets: SubnetCount[] = []): Snapshot => ({
  reservations,
  subnets,
})
const rules = (intents: Intent[], state: Snapshot) => [
  ...new Set(violations(intents, state).map((v) => v.rule)),
]

const a = row('a')
const reserved = () => intent('reserve', ['a'], 0, answer(201, a, 10))

describe('chaos sees what is wrong', () => {
  it('nothing in a sound run', () => {
    expect(rules([reserved()], snapshot([a], [counts()]))).toEqual([])
  })

  it.each<[string, Intent[], Snapshot, string]>([
    ['a lost promise', [reserved()], snapshot([]), 'a promise is kept'],
    [
      'a changed MAC',
      [reserved()],
      snapshot([row('a', { macAddress: '02:00:00:00:00:09' })]),
      'a promise is kept',
    ],
    [
      'a changed address',
      [reserved()],
      snapshot([row('a', { v4IpAddress: '10.0.0.9' })]),
      'a promise is kept',
    ],
    ['a row nobody was promised', [], snapshot([a]), 'a refused request changes nothing'],
    ['a row left held', [], snapshot([row('a', { state: 'held' })]), 'nothing is left half done'],
    ['a server error', [intent('read', [], 0, answer(500, {}, 1))], snapshot([]), 'no 5xx'],
    ['no answer', [intent('reserve', ['a'], 0)], snapshot([]), 'every request is answered'],
    [
      'half a group',
      [intent('reserve', ['a', 'b'], 0, answer(201, { items: [a] }, 1))],
      snapshot([a]),
      'a group is all or none',
    ],
    ['a wrong counter', [reserved()], snapshot([a], [counts({ bound: 2 })]), 'counters equal a recount'],
    ['a wrong free count', [reserved()], snapshot([a], [counts({ free: 5 })]), 'counters equal a recount'],
    [
      'one address for two in the list',
      [
        reserved(),
        intent('reserve', ['b'], 20, answer(201, row('b', { macAddress: '02:00:00:00:00:02' }), 30)),
      ],
      snapshot([a, row('b', { macAddress: '02:00:00:00:00:02' })]),
      'one owner for an address or MAC',
    ],
    [
      'one MAC promised to two, one after the other released too late',
      [
        reserved(),
        intent('reserve', ['b'], 20, answer(201, row('b', { v4IpAddress: '10.0.0.3' }), 30)),
        intent('release', ['a'], 40, answer(200, released(a), 50)),
      ],
      snapshot([row('b', { v4IpAddress: '10.0.0.3' })]),
      'never two promises at a time',
    ],
    [
      'a released row that is back',
      [reserved(), intent('release', ['a'], 40, answer(200, released(a), 50))],
      snapshot([a]),
      'released stays released',
    ],
    [
      'another body for the same key',
      [
        intent('reserve', ['a'], 0, answer(201, a, 10), { key: 'k' }),
        intent('reserve', ['a'], 20, answer(200, a, 30), { key: 'k' }),
      ],
      snapshot([a]),
      'same key, same status and body',
    ],
    [
      'a used key that takes another request',
      [
        intent('reserve', ['a'], 0, answer(201, a, 10), { key: 'k' }),
        intent('reserve', ['a'], 20, answer(201, a, 30), { key: 'k', body: 'other' }),
      ],
      snapshot([a]),
      'a used key refuses another body',
    ],
    [
      'a release under a living Pod',
      [
        reserved(),
        intent('put-pod', ['a'], 20, answer(201, {}, 25)),
        intent('release', ['a'], 40, answer(200, released(a), 50)),
      ],
      snapshot([]),
      'no release under a living Pod',
    ],
  ])('%s', (_, intents, state, rule) => expect(rules(intents, state)).toContain(rule))

  it('allows an owner to come back to its old reservation', () => {
    const again = row('a', { operation: 'op_3' })
    const intents = [
      reserved(),
      intent('release', ['a'], 40, answer(200, released(a), 50)),
      intent('reserve', ['a'], 60, answer(201, again, 70)),
    ]
    expect(rules(intents, snapshot([again]))).toEqual([])
    expect(rules(intents, snapshot([]))).toEqual(['a promise is kept'])
  })

  it('allows a release to be told again under a Pod that came after it', () => {
    const story = (second: object) => [
      reserved(),
      intent('release', ['a'], 12, answer(200, released(a), 15)),
      intent('put-pod', ['a'], 20, answer(201, {}, 25)),
      intent('release', ['a'], 40, answer(200, second, 50)),
    ]
    expect(rules(story(released(a)), snapshot([]))).toEqual([])
    const another = { ...released(a), operation: 'op_9' }
    expect(rules(story(another), snapshot([]))).toContain('no release under a living Pod')
  })

  it('allows an address to be promised again after its release', () => {
    const b = row('b', { macAddress: '02:00:00:00:00:02' })
    const intents = [
      reserved(),
      intent('release', ['a'], 40, answer(200, released(a), 50)),
      intent('reserve', ['b'], 45, answer(201, b, 60)),
    ]
    expect(rules(intents, snapshot([b]))).toEqual([])
  })
})

describe('the generator', () => {
  it('gives the same choices for the same seed and others for another', () => {
    const draw = (...seeds: number[]) => {
      const random = new Prng(...seeds)
      return Array.from({ length: 20 }, () => random.below(1000))
    }
    expect(draw(1, 2, 3)).toEqual(draw(1, 2, 3))
    expect(draw(1, 2, 3)).not.toEqual(draw(1, 2, 4))
    expect(draw(1, 2, -1)).not.toEqual(draw(1, 3, -1))
  })
})
