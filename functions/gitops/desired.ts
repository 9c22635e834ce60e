import type { ReserveItem } from '../../shared/command/types.ts'
import type { ProblemCode } from '../../shared/problem.ts'
import { collect } from '../body/collect.ts'
import { readWishes } from '../body/wishes.ts'
import { parseYaml } from '../body/yaml.ts'
import { lineFinder, lineIn } from './lines.ts'

/** A file of the commit. */
export interface GitFile {
  readonly path: string
  readonly text: string
}

/** Something about a line of a file. `error` fails the commit. */
export interface GitFinding {
  readonly level: 'error' | 'warning'
  readonly file: string
  readonly line: number
  readonly message: string
  /** Key of the owner it is about; without one it is about the file, or about more than one owner. */
  readonly of?: string
  /** Of the refusal whose words these are; they may name others. */
  readonly code?: ProblemCode
}

/** One manifest, and where each of its fields stands. */
export interface Desired {
  readonly key: string
  readonly item: ReserveItem
  readonly file: string
  readonly line: number
  /** The line of a field by the core's name for it. */
  readonly lineOf: (field: string | undefined) => number
}

/** What the manifests of a commit ask for, in the order of files. */
export interface DesiredState {
  readonly desired: readonly Desired[]
  readonly findings: readonly GitFinding[]
}

/** One owner in one Subnet has one reservation. */
export function keyOf(owner: {
  readonly subnet: string
  readonly namespace: string
  readonly podName: string
}): string {
  return `${owner.subnet}/${owner.namespace}/${owner.podName}`
}

/** Reads IP manifests out of YAML and JSON files. Other kinds are none of ours and said to be so. */
export function readDesired(files: readonly GitFile[]): DesiredState {
  const desired = new Map<string, Desired>()
  const findings: GitFinding[] = []
  for (const { path: file, text } of files) {
    const note = (level: GitFinding['level'], line: number, message: string, of?: string) =>
      findings.push({ level, file, line, message, ...(of === undefined ? {} : { of }) })
    const documents = parseYaml(text, { wideIntegers: true })
    if (!documents.ok) {
      note('error', lineIn(documents.error.detail), documents.error.detail)
      continue
    }
    if (documents.value.length === 0) continue
    const line = lineFinder(text)
    const collection = collect(documents.value)
    if (!collection.ok) {
      note('error', line(collection.error.field ?? 'body'), collection.error.detail)
      continue
    }
    for (const entry of collection.value.entries) {
      const { kind, apiVersion } = entry.value
      const own = collection.value.list ? spelled(entry.at) : ''
      if (kind !== 'IP' || apiVersion !== 'kubeovn.io/v1') {
        note('warning', line(own), `not an IP of kubeovn.io/v1, so Berth leaves it alone`)
        continue
      }
      const wishes = readWishes({ entries: [entry], list: false, terms: {} })
      if (!wishes.ok) {
        for (const finding of wishes.error.findings ?? [])
          note('error', line(finding.field ?? own), finding.message)
        continue
      }
      for (const { item, spell, warnings } of wishes.value) {
        const lineOf = (field: string | undefined) => line(field === undefined ? own : spell(field))
        const key = keyOf(item)
        for (const warning of warnings) note('warning', line(own), warning, key)
        const twin = desired.get(key)
        if (twin) note('error', lineOf('podName'), `the same owner as ${twin.file}:${twin.line}`, key)
        else desired.set(key, { key, item, file, line: lineOf(undefined), lineOf })
      }
    }
  }
  return { desired: [...desired.values()], findings }
}

const spelled = (at: readonly (string | number)[]) =>
  at.map((step) => (typeof step === 'number' ? `[${step}]` : `.${step}`)).join('')
