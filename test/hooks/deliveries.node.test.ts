import { beforeEach, expect, it } from 'vitest'
import { Deliveries } from '../../shared/hooks/deliveries.ts'
import { nodeSql } from '../support/node-sqlite.ts'

const ANSWER = { status: 200, body: 'done', type: 'text/plain' }
const WEEK_MS = 7 * 86_400_000
let deliveries: Deliveries
beforeEach(() => {
  deliveries = new Deliveries(nodeSql())
})
const claim = (id: string, nowMs: number, hash = 'h', source = 'slack') =>
  deliveries.claim(source, id, hash, nowMs)

it('is worked on once, and answered alike ever after', () => {
  expect(claim('1', 0)).toEqual({ kind: 'first' })
  expect(claim('1', 1)).toEqual({ kind: 'busy' })
  deliveries.settle('slack', '1', ANSWER, 2)
  deliveries.settle('slack', '1', { ...ANSWER, status: 500 }, 3)
  expect(claim('1', 3_600_000)).toEqual({ kind: 'again', answer: ANSWER })
  expect(claim('1', WEEK_MS + 1)).toEqual({ kind: 'again', answer: ANSWER })
})

it('is taken over when its receiver fell silent', () => {
  claim('1', 0)
  expect(claim('1', 59_999)).toEqual({ kind: 'busy' })
  expect(claim('1', 60_000)).toEqual({ kind: 'first' })
  expect(claim('1', 60_001)).toEqual({ kind: 'busy' })
})

it('is taken over when the clock was set back meanwhile', () => {
  claim('1', 3_600_000)
  expect(claim('1', 3_540_000 - 1)).toEqual({ kind: 'first' })
})

it('is not mistaken for another body of that id, answered or not', () => {
  claim('1', 0)
  expect(claim('1', 1, 'other')).toEqual({ kind: 'mismatch' })
  expect(claim('1', 60_001, 'other')).toEqual({ kind: 'mismatch' })
  deliveries.settle('slack', '1', ANSWER, 2)
  expect(claim('1', 3, 'other')).toEqual({ kind: 'mismatch' })
})

it('may be tried again when its answer was not worth keeping', () => {
  claim('1', 0)
  deliveries.settle('slack', '1', undefined, 1)
  expect(claim('1', 2)).toEqual({ kind: 'first' })
})

it.each(['__proto__', 'constructor', "'; DROP TABLE delivery; --"])(
  'has any id, such as %s, of its source',
  (id) => {
    expect(claim(id, 0)).toEqual({ kind: 'first' })
    expect(claim(id, 0, 'h', 'github')).toEqual({ kind: 'first' })
    expect(claim(id, 0)).toEqual({ kind: 'busy' })
  },
)

it('is forgotten after a week, some with each that comes', () => {
  const sql = nodeSql()
  deliveries = new Deliveries(sql)
  for (let n = 0; n < 30; n++) {
    claim(`${n}`, 0)
    deliveries.settle('slack', `${n}`, ANSWER, 0)
  }
  claim('a', WEEK_MS + 1)
  claim('b', WEEK_MS + 1)
  expect(sql.all(`SELECT id FROM delivery ORDER BY id`)).toEqual([{ id: 'a' }, { id: 'b' }])
})
