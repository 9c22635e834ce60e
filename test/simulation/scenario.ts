import { Choices } from './choices.ts'
import type { Roughness } from './faults.ts'

/** One Subnet as a run begins, and what its spec may be changed to. */
export interface Shape {
  readonly name: string
  readonly spec: object
  readonly changes: readonly object[]
}

/** Something somebody does, at a time, ms since the run began. */
export type Op = { readonly atMs: number; readonly client: number } & Deed

export type Deed =
  | {
      readonly do: 'reserve'
      readonly items: readonly Item[]
      readonly key?: string
      readonly dryRun?: true
    }
  | {
      readonly do: 'release'
      readonly pods: readonly string[]
      readonly subnet?: string
      readonly force: boolean
      readonly key?: string
    }
  | { readonly do: 'adopt'; readonly pod: string; readonly key?: string }
  | { readonly do: 'find'; readonly pod: string; readonly subnet: string }
  /** By hand, with kubectl. */
  | {
      readonly do: 'pod made' | 'pod gone' | 'ip deleted' | 'ip stripped' | 'ip relabelled'
      readonly pod: string
    }
  | {
      readonly do: 'ip written'
      readonly pod: string
      readonly subnet: string
      readonly v4: string
      /** With the controller's finalizer: a Pod's own. Without: a wish. */
      readonly finalizer: boolean
    }
  | { readonly do: 'subnet changed'; readonly subnet: string; readonly change: number }

export interface Item {
  readonly subnet: string
  readonly podName: string
  readonly v4IpAddress?: string
  readonly v6IpAddress?: string
  readonly macAddress?: string
}

/** Something that breaks, at a time. */
export type Break = { readonly atMs: number } & (
  | { readonly what: 'kill' | 'evict'; readonly object: number }
  | { readonly what: 'kill everything' | 'compact' }
  | { readonly what: 'clock'; readonly ms: number }
  | { readonly what: 'stall'; readonly ms: number }
)

/** All of a run but the small choices. */
export interface Scenario {
  readonly shapes: readonly Shape[]
  readonly quarantineMs: number
  readonly rough: Roughness
  readonly ops: readonly Op[]
  readonly breaks: readonly Break[]
}

const SHAPES: readonly Shape[] = [
  {
    name: 'tiny',
    spec: { cidrBlock: '10.9.0.0/30', gateway: '10.9.0.1' },
    changes: [{ cidrBlock: '10.9.0.0/29' }, { cidrBlock: '10.9.0.0/30' }],
  },
  {
    name: 'small',
    spec: { cidrBlock: '10.7.0.0/29', gateway: '10.7.0.1' },
    changes: [
      { cidrBlock: '10.7.0.0/30' },
      { cidrBlock: '10.7.0.0/29' },
      { cidrBlock: '10.7.0.0/28', excludeIps: ['10.7.0.1', '10.7.0.3..10.7.0.4'] },
      { gateway: '10.7.0.3' },
      { cidrBlock: '10.7.0.8/29', gateway: '10.7.0.9' },
    ],
  },
  {
    name: 'dual',
    spec: { cidrBlock: '10.8.0.0/29,fd00:8::/125', gateway: '10.8.0.1,fd00:8::1' },
    changes: [
      { cidrBlock: '10.8.0.0/30,fd00:8::/125' },
      { cidrBlock: '10.8.0.0/29,fd00:8::/126' },
      { cidrBlock: '10.8.0.0/28,fd00:8::/124', excludeIps: ['10.8.0.1', 'fd00:8::1', 'fd00:8::3'] },
    ],
  },
  {
    name: 'wide',
    spec: { cidrBlock: '10.20.0.0/26', gateway: '10.20.0.1' },
    changes: [{ cidrBlock: '10.20.0.0/27' }, { cidrBlock: '10.20.0.0/26' }],
  },
  {
    name: 'huge',
    spec: { cidrBlock: '10.30.0.0/16', gateway: '10.30.0.1' },
    changes: [{ cidrBlock: '10.30.0.0/24' }, { cidrBlock: '10.30.0.0/16' }],
  },
]

const WISHES: Readonly<Record<string, readonly string[]>> = {
  tiny: ['10.9.0.2', '10.9.0.1', '10.9.0.3'],
  small: ['10.7.0.2', '10.7.0.3', '10.7.0.5', '10.7.0.6', '10.7.0.1', '10.7.0.7', '10.7.0.10'],
  dual: ['10.8.0.2', '10.8.0.3', '10.8.0.6', '10.8.0.1'],
  wide: ['10.20.0.2', '10.20.0.40', '10.20.0.62'],
  huge: ['10.30.0.2', '10.30.0.255', '10.30.200.1'],
}
const WISHES_V6 = ['fd00:8::2', 'fd00:8::6', 'fd00:8::1']
const PODS = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
const KEYS = ['k0', 'k1', 'k2', 'k3', 'k4', 'k5']
const MACS = ['02:00:00:00:00:0a', '02:00:00:00:00:0B']

/** The scenario of a seed. The same seed, the same scenario. */
export function scenarioOf(seed: number): Scenario {
  const draw = new Choices({ seed: Math.imul(seed, 0x9e3779b1) ^ 0x5bd1e995 })
  const from = <T>(list: readonly T[]): T => list[draw.pick(list.length)] as T
  const many = 1 + draw.weighted([5, 3, 1, 1])
  const pool = draw.chance(20) ? SHAPES : SHAPES.slice(0, 4)
  const shapes: Shape[] = []
  for (let n = 0; n < many; n++) {
    const shape = from(pool)
    if (!shapes.includes(shape)) shapes.push(shape)
  }
  if (draw.chance(20) && !shapes.includes(SHAPES[4] as Shape)) shapes.push(SHAPES[4] as Shape)
  const clients = 1 + draw.pick(8)
  const count = 5 + draw.pick(56)
  const paceMs = from([20, 300, 3_000, 20_000])
  const ops: Op[] = []
  let atMs = 0
  for (let n = 0; n < count; n++) {
    atMs += draw.chance(4) ? 0 : draw.pick(paceMs * 2)
    ops.push({ atMs, client: draw.pick(clients), ...deed(draw, shapes, from) } as Op)
  }
  const breaks: Break[] = []
  for (let n = draw.pick(13); n > 0; n--)
    breaks.push(breakOf(draw, draw.pick(atMs + 60_000), shapes.length, from))
  breaks.sort((one, other) => one.atMs - other.atMs)
  const isCalm = draw.chance(12)
  return {
    shapes,
    quarantineMs: from([0, 300_000, 300_000, 30_000]),
    rough: isCalm
      ? { call: 0, death: 0, slow: false }
      : { call: from([8, 20, 60]), death: from([0, 30, 80, 200]), slow: !draw.chance(4) },
    ops,
    breaks: isCalm ? [] : breaks,
  }
}

function deed(draw: Choices, shapes: readonly Shape[], from: <T>(list: readonly T[]) => T): Deed {
  const { name: subnet, changes } = from(shapes)
  const pod = from(PODS)
  const key = draw.chance(3) ? {} : { key: from(KEYS) }
  switch (draw.weighted([26, 4, 14, 3, 4, 4, 4, 3, 2, 2, 5, 3, 5])) {
    case 0:
      return { do: 'reserve', items: [item(draw, subnet, pod, from)], ...key }
    case 1: {
      const pods = new Set([pod, from(PODS), from(PODS)])
      return { do: 'reserve', items: [...pods].map((name) => item(draw, subnet, name, from)), ...key }
    }
    case 2:
      return {
        do: 'release',
        pods: draw.chance(6) ? [...new Set([pod, from(PODS)])] : [pod],
        ...(draw.chance(2) ? { subnet } : {}),
        force: draw.chance(3),
        ...key,
      }
    case 3:
      return { do: 'adopt', pod, ...key }
    case 4:
      return { do: 'find', pod, subnet }
    case 5:
      return { do: 'pod made', pod }
    case 6:
      return { do: 'pod gone', pod }
    case 7:
      return { do: 'ip deleted', pod }
    case 8:
      return { do: 'ip stripped', pod }
    case 9:
      return { do: 'ip relabelled', pod }
    case 10:
      return {
        do: 'ip written',
        pod,
        subnet,
        v4: draw.chance(3) ? '' : from(WISHES[subnet] ?? ['']),
        finalizer: draw.chance(2),
      }
    case 11:
      return { do: 'subnet changed', subnet, change: draw.pick(changes.length) }
    default:
      return { do: 'reserve', items: [item(draw, subnet, pod, from)], dryRun: true }
  }
}

function item(draw: Choices, subnet: string, podName: string, from: <T>(list: readonly T[]) => T): Item {
  return {
    subnet,
    podName,
    ...(draw.chance(3) ? { v4IpAddress: from(WISHES[subnet] ?? ['']) } : {}),
    ...(subnet === 'dual' && draw.chance(4) ? { v6IpAddress: from(WISHES_V6) } : {}),
    ...(draw.chance(8) ? { macAddress: from(MACS) } : {}),
  }
}

function breakOf(draw: Choices, atMs: number, objects: number, from: <T>(list: readonly T[]) => T): Break {
  switch (draw.pick(6)) {
    case 0:
      return { atMs, what: 'kill', object: draw.pick(objects + 1) }
    case 1:
      return { atMs, what: 'evict', object: draw.pick(objects + 1) }
    case 2:
      return { atMs, what: 'kill everything' }
    case 3:
      return { atMs, what: 'compact' }
    case 4:
      return { atMs, what: 'clock', ms: from([-3_600_000, 3_600_000, 315_360_000_000]) }
    default:
      return { atMs, what: 'stall', ms: from([30_000, 130_000, 300_000]) }
  }
}
