import { describe, expect, it } from 'vitest'
import { jsonText } from '../../shared/ovn/ovsdb/json.ts'
import type { OvsdbLimits } from '../../shared/ovn/ovsdb/limits.ts'
import type { Operation } from '../../shared/ovn/ovsdb/messages.ts'
import { parseRemotes } from '../../shared/ovn/ovsdb/remotes.ts'
import { Session } from '../../shared/ovn/ovsdb/session.ts'
import { ManualClock } from '../support/clock.ts'
import { drain, inTime, pass } from '../support/drain.ts'
import { seededRandom } from '../support/random.ts'
import { announce, ScriptedOvsdb, type ScriptedServer } from '../support/scripted-ovsdb.ts'

const SELECT: Operation[] = [{ op: 'select', table: 'Logical_Switch', where: [], columns: ['name'] }]
const ROWS = [{ rows: [{ name: 'ovn-default' }] }]
const DONE = { ok: true, value: ROWS }

/** A session with servers at s1:1, s2:1, … */
function session(servers: readonly ScriptedServer[], limits: Partial<OvsdbLimits> = {}) {
  const clock = new ManualClock()
  const tcp = new ScriptedOvsdb(
    Object.fromEntries(servers.map((server, n) => [`s${n + 1}:1`, { transact: () => ROWS, ...server }])),
  )
  const remotes = parseRemotes(servers.map((_, n) => `tcp:s${n + 1}:1`).join(','))
  if (!remotes.ok) throw new Error(remotes.error)
  const parts = {
    tcp,
    clock,
    random: seededRandom(1),
    remotes: remotes.value,
    database: 'OVN_Northbound',
    limits,
  }
  const opened = new Session(parts)
  const select = () => inTime(clock, opened.transact(SELECT))
  return { clock, tcp, session: opened, select }
}

/** Deals with the transaction itself. */
const onTransact = (act: (id: number, link: ScriptedOvsdb['link']) => void): ScriptedServer => ({
  script: (message, link) => {
    if (message.method !== 'transact') return false
    act(message.id as number, link)
    return true
  },
})

const follower: ScriptedServer = { database: { clustered: true, leader: false } }
const leader: ScriptedServer = { database: { clustered: true, leader: true } }

describe('a transaction', () => {
  it('has the results the server sends', async () => {
    const { select, tcp, session: opened } = session([{}])
    expect(await select()).toEqual(DONE)
    expect(await select()).toEqual(DONE)
    expect(tcp.links).toHaveLength(1)
    expect(opened.status()).toEqual({ state: 'connected', remote: 'tcp:s1:1', clustered: false })
  })

  it('is answered through whatever else arrives: an echo, a reply to nobody, all in one segment', async () => {
    const { select, tcp } = session([
      onTransact((id, link) => {
        const messages = [
          { id: 'echo', method: 'echo', params: ['x'] },
          { id: 99_999, result: {}, error: null },
          { id: null, method: 'update2', params: [] },
          { id, result: ROWS, error: null },
        ]
        link.bytes(new TextEncoder().encode(messages.map(jsonText).join('')))
      }),
    ])
    expect(await select()).toEqual(DONE)
    expect(tcp.link.received).toContainEqual({ id: 'echo', result: ['x'], error: null })
  })

  it('is answered byte by byte', async () => {
    const { select } = session([
      onTransact((id, link) => {
        for (const byte of new TextEncoder().encode(jsonText({ id, result: ROWS, error: null }))) {
          link.bytes(Uint8Array.of(byte))
        }
      }),
    ])
    expect(await select()).toEqual(DONE)
  })

  it.each([
    ['an operation', [{ error: 'unknown table', details: 'no T' }], 'refused', 0],
    ['the commit', [...ROWS, { error: 'constraint violation', details: '' }], 'refused', 'commit'],
    [
      'the cluster, perhaps',
      [...ROWS, { error: 'cluster error', details: 'lost leadership' }],
      'unknown',
      'commit',
    ],
  ] as const)('fails as a whole when %s fails', async (_, result, outcome, at) => {
    const { select } = session([{ transact: () => result }])
    expect(await select()).toMatchObject({ ok: false, error: { reason: 'failed', outcome, at } })
  })

  it.each([
    ['the connection is reset', onTransact((_, link) => link.reset()), 'lost'],
    ['the server ends it', onTransact((_, link) => link.end()), 'lost'],
    [
      'half a reply arrives',
      onTransact((_, link) => {
        link.bytes(new TextEncoder().encode('{"id":'))
        link.end()
      }),
      'lost',
    ],
    [
      'something else arrives',
      onTransact((_, link) => link.bytes(new TextEncoder().encode('HTTP/1.1 400'))),
      'lost',
    ],
    ['the reply has no results', { transact: () => [] }, 'malformed'],
    ['the reply has too many results', { transact: () => [...ROWS, {}] }, 'malformed'],
  ] as [string, ScriptedServer, string][])(
    'is open when %s, and the next one goes over a new connection',
    async (_, server, reason) => {
      const { select, tcp } = session([server])
      expect(await select()).toMatchObject({ ok: false, error: { reason, outcome: 'unknown' } })
      tcp.servers['s1:1'] = { transact: () => ROWS }
      expect(await select()).toEqual(DONE)
      expect(tcp.links.map((link) => link.closed)).toEqual([true, false])
    },
  )

  it('ends the connection at the limit when 64 MiB of string arrive', async () => {
    const piece = new Uint8Array(1 << 20).fill(0x78)
    const { select } = session(
      [
        onTransact((id, link) => {
          link.bytes(new TextEncoder().encode(`{"id":${id},"error":null,"result":"`))
          for (let n = 0; n < 64; n++) link.bytes(piece)
        }),
      ],
      { messageBytes: 8 << 20 },
    )
    expect(await select()).toMatchObject({
      error: { outcome: 'unknown', message: expect.stringMatching(/longer than/) },
    })
  })
})

describe('a time limit', () => {
  it('cancels (RFC 7047 §4.1.4); cancelled in time is not carried out', async () => {
    const { select, tcp } = session([
      {
        script: (message, link) => {
          if (message.method === 'cancel') {
            link.send({ id: (message.params as number[])[0]!, result: null, error: 'canceled' })
          }
          return message.method === 'transact' || message.method === 'cancel'
        },
      },
    ])
    expect(await select()).toMatchObject({ ok: false, error: { outcome: 'refused' } })
    expect(tcp.link.closed).toBe(false)
  })

  it('takes the result of one that was carried out after all', async () => {
    const { select } = session([
      {
        script: (message, link) => {
          if (message.method === 'cancel') {
            link.send({ id: (message.params as number[])[0]!, result: ROWS, error: null })
          }
          return message.method === 'transact' || message.method === 'cancel'
        },
      },
    ])
    expect(await select()).toEqual(DONE)
  })

  it('gives up the connection of a server that does not answer that either', async () => {
    const { select, tcp } = session([onTransact(() => {})])
    expect(await select()).toMatchObject({ ok: false, error: { reason: 'lost', outcome: 'unknown' } })
    expect(tcp.link.closed).toBe(true)
    expect(tcp.link.methods).toContain('cancel')
  })

  it('ends the wait for a connection, and nothing was sent', async () => {
    const { select, session: opened } = session([{ script: () => true }], {
      connectMs: 60_000,
      callMs: 1_000,
    })
    expect(await select()).toMatchObject({ ok: false, error: { reason: 'unreachable', outcome: 'refused' } })
    opened.close()
  })

  it('closes a connection that comes too late', async () => {
    const { clock, tcp, select } = session([{}], { connectMs: 500, callMs: 1_000 })
    const connect = tcp.connect.bind(tcp)
    tcp.connect = async (address) => {
      await clock.sleep(5_000)
      return connect(address)
    }
    expect(await select()).toMatchObject({ ok: false, error: { outcome: 'refused' } })
    await pass(clock, 6_000)
    expect(tcp.links[0]?.closed).toBe(true)
  })
})

describe('the leader', () => {
  it('is looked for among the remotes; a follower is asked nothing', async () => {
    const { select, tcp, session: opened } = session([follower, leader])
    expect(await select()).toEqual(DONE)
    expect(opened.status()).toMatchObject({ remote: 'tcp:s2:1', clustered: true })
    expect(tcp.links[0]?.methods).not.toContain('transact')
    expect(tcp.links[0]?.closed).toBe(true)
  })

  it('is left as soon as it says that it leads no longer, and what it was asked is open', async () => {
    const { clock, select, tcp, session: opened } = session([leader, follower, leader])
    await select()
    tcp.servers['s1:1'] = { ...follower, ...onTransact(() => {}) }
    const asked = opened.transact(SELECT)
    await drain()
    announce(tcp.link, { leader: false })
    await drain()
    expect(tcp.link.closed).toBe(true)
    expect(await inTime(clock, asked)).toMatchObject({ error: { reason: 'lost', outcome: 'unknown' } })
    expect(await select()).toEqual(DONE)
    expect(opened.status().remote).toBe('tcp:s3:1')
  })

  it('answers nobody while there is none, is waited for with growing waits, and is found again', async () => {
    const { clock, select, tcp } = session([follower, follower, follower])
    expect(await select()).toMatchObject({ ok: false, error: { reason: 'no_leader', outcome: 'refused' } })
    for (let second = 0; second < 60; second += 6) {
      expect(await select()).toMatchObject({ ok: false, error: { reason: 'no_leader', outcome: 'refused' } })
    }
    // A round is three connections; at most one in 4 to 8 s once the waits have grown.
    expect(tcp.links.length).toBeLessThan(60)
    expect(tcp.links.flatMap((link) => link.methods)).not.toContain('transact')
    tcp.servers['s3:1'] = { ...leader, transact: () => ROWS }
    await pass(clock, 8_000)
    expect(await select()).toEqual(DONE)
  })

  it('is not one that is behind what another has said', async () => {
    const {
      select,
      tcp,
      session: opened,
    } = session([
      { database: { clustered: true, index: 20 } },
      { database: { clustered: true, index: 19 } },
      { database: { clustered: true, index: 21 } },
    ])
    await select()
    tcp.link.reset()
    await drain()
    tcp.servers['s1:1'] = { down: true }
    expect(await select()).toEqual(DONE)
    expect(opened.status().remote).toBe('tcp:s3:1')
  })

  it.each([
    ['does not serve the database', { database: null }],
    ['lost its cluster', { database: { clustered: true, connected: false } }],
  ] as [string, ScriptedServer][])('is not one that %s', async (_, server) => {
    const { select } = session([server])
    expect(await select()).toMatchObject({ error: { reason: 'no_leader', outcome: 'refused' } })
  })
})

describe('a connection', () => {
  it('is tried at each remote in turn; none there is unreachable', async () => {
    const { select, tcp } = session([{ down: true }, { down: true }])
    expect(await select()).toMatchObject({ error: { reason: 'unreachable', outcome: 'refused' } })
    tcp.servers['s2:1'] = { transact: () => ROWS }
    expect(await select()).toEqual(DONE)
  })

  it('is shared by those who wait for it', async () => {
    const { clock, tcp, session: opened } = session([{}])
    const all = Promise.all(Array.from({ length: 20 }, () => opened.transact(SELECT)))
    expect(await inTime(clock, all)).toEqual(Array.from({ length: 20 }, () => DONE))
    expect(tcp.links).toHaveLength(1)
  })

  it('that is silent is asked for a sign of life, and kept when there is one', async () => {
    const { clock, select, tcp } = session([{}])
    await select()
    await pass(clock, 60_000)
    expect(tcp.link.methods).toContain('echo')
    expect(tcp.link.closed).toBe(false)
  })

  it('that stays silent is ended', async () => {
    const { clock, select, tcp } = session([{ script: (message) => message.method === 'echo' }])
    await select()
    await pass(clock, 20_000)
    expect(tcp.link.closed).toBe(true)
  })

  it('nobody uses is closed, and opened again when it is needed', async () => {
    const { clock, select, tcp } = session([{}], { idleMs: 30_000 })
    await select()
    await pass(clock, 61_000)
    expect(tcp.link.closed).toBe(true)
    expect(await select()).toEqual(DONE)
    expect(tcp.links).toHaveLength(2)
  })

  it('is ended by a server that answers nothing it is sent faster than it reads', async () => {
    const { clock, select, tcp } = session([{}], { unsentBytes: 1_000 })
    await select()
    const flood = { id: 'echo', method: 'echo', params: ['x'.repeat(600)] }
    tcp.link.bytes(new TextEncoder().encode(jsonText(flood) + jsonText(flood)))
    await pass(clock, 50)
    expect(tcp.link.closed).toBe(true)
  })

  it('is over when the session is closed, and none is made again', async () => {
    const { select, tcp, session: opened } = session([{}])
    await select()
    opened.close()
    expect(tcp.link.closed).toBe(true)
    expect(await select()).toMatchObject({ ok: false, error: { outcome: 'refused' } })
    expect(tcp.links).toHaveLength(1)
  })

  it('is made anew when the database changes its schema', async () => {
    const { clock, select, tcp } = session([{}])
    await select()
    tcp.link.send({ id: null, method: 'monitor_canceled', params: ['server'] })
    await pass(clock, 50)
    expect(tcp.link.closed).toBe(true)
  })
})
