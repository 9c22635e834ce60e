import { readdirSync, readFileSync } from 'node:fs'
import type { KubeObject } from '../../../../shared/cluster/port.ts'

/** A file of test/data/recordings; its README explains the fields. */
export interface Recording {
  readonly scenario: string
  readonly about: string
  readonly given: {
    readonly subnets: Readonly<Record<string, RecordedSubnet>>
    readonly policies: readonly string[]
    readonly controller: { readonly gc_interval_s: number }
  }
  readonly steps: readonly RecordedStep[]
  readonly events: readonly { readonly type: string; readonly object: KubeObject }[]
  readonly lsp_before: readonly RecordedPort[]
  readonly lsp_after: readonly RecordedPort[]
  readonly subnet_after: Readonly<Record<string, RecordedSubnet>>
  readonly ips_after: readonly RecordedIp[]
  readonly pods_after: readonly { readonly name: string; readonly annotations: Record<string, string> }[]
}

export interface RecordedSubnet {
  readonly uid: string
  readonly spec: Readonly<Record<string, unknown>>
  readonly status: Readonly<Record<string, unknown>>
  readonly finalizers?: readonly string[]
}

export interface RecordedPort {
  readonly name: string
  readonly addresses: readonly string[]
  readonly external_ids: Readonly<Record<string, string>>
}

export interface RecordedIp {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly finalizers: readonly string[]
  readonly spec: Readonly<Record<string, unknown>>
  readonly deletionTimestamp?: string
  readonly ownerReferences?: readonly { readonly kind: string; readonly name: string }[]
}

export interface RecordedStep {
  readonly at_ms: number
  readonly actor: 'user' | 'controller' | 'restart' | 'pause' | 'api server' | 'ovn'
  readonly verb: string
  readonly path?: string
  readonly contentType?: string
  readonly body?: unknown
  readonly code?: number
  /** The same write again, with the same answer. */
  readonly also_at_ms?: readonly number[]
}

const folder = new URL('../../../data/recordings/', import.meta.url).pathname

/** Names of all recordings, sorted. */
export function recordings(): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .map((name) => name.slice(0, -'.json'.length))
    .sort()
}

export function load(name: string): Recording {
  return JSON.parse(readFileSync(`${folder}${name}.json`, 'utf8')) as Recording
}

/** The steps one by one: repeated writes stand where they happened. */
export function timeline(recording: Recording): RecordedStep[] {
  return recording.steps
    .flatMap((step) => [step, ...(step.also_at_ms ?? []).map((at_ms) => ({ ...step, at_ms }))])
    .map((step, index) => ({ step, index }))
    .sort((a, b) => a.step.at_ms - b.step.at_ms || a.index - b.index)
    .map(({ step }) => step)
}
