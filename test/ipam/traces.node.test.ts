import { readdirSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { Replay, replayFile } from '../../infra/dev/trace.ts'

const folder = new URL('../data/traces/', import.meta.url).pathname
const files = readdirSync(folder).filter((name) => name.endsWith('.jsonl.gz'))

describe('recorded traces of Kube-OVN v1.17.0', () => {
  it('are there', () => {
    expect(files.length).toBe(34)
  })

  it.each(files)('%s: every outcome and every state', (file) => {
    const report = replayFile(folder + file)
    expect(report.first).toBeUndefined()
    expect(report.differences).toBe(0)
    const share = report.compared / report.ops
    expect(share).toBeGreaterThan(file.startsWith('defect-') ? 0.1 : 0.95)
  })

  it('differences are found, in outcomes, states and MAC identity', () => {
    const header = {
      format: 'ipam-trace',
      version: 1,
      subnets: [{ name: 'a', cidr: '10.0.0.0/29', gateway: '10.0.0.1', exclude: ['10.0.0.1'] }],
    }
    const random = (nic: string, v4: string, mac: string, using: string) => ({
      op: 'random',
      subnet: 'a',
      owner: `ns/${nic}`,
      nic,
      mac: null,
      skip: [],
      check: true,
      want: { ok: { v4, v6: '', mac } },
      state: { a: { v4: { using, available: String(5 - Number(using)) } } },
    })
    const run = (...ops: object[]) => new Replay([header, ...ops].map((line) => JSON.stringify(line))).run()
    expect(run(random('x', '10.0.0.2', '*1', '1'), random('y', '10.0.0.3', '*2', '2')).differences).toBe(0)
    expect(run(random('x', '10.0.0.2', '*', '1'), random('y', '10.0.0.3', '*', '2')).differences).toBe(0)
    expect(run(random('x', '10.0.0.3', '*1', '1')).first?.what).toBe('outcome')
    expect(run(random('x', '10.0.0.2', '*1', '2')).first?.what).toBe('state of a')
    expect(run(random('x', '10.0.0.2', '*1', '1'), random('y', '10.0.0.3', '*1', '2')).differences).toBe(1)
    expect(run(random('x', '10.0.0.2', '*1', '1'), random('x', '10.0.0.2', '*2', '1')).differences).toBe(1)
  })
})
