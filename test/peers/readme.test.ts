import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { missingLines, stepsOf } from '../house/readme.ts'
import { Installation } from './installation.ts'

const markdown = readFileSync(join(resolve(import.meta.dirname, '../..'), 'README.md'), 'utf8')
const steps = stepsOf(markdown).filter(({ runBy }) => runBy === 'test/peers/readme.test.ts')

/** The README's way onto a cluster, command by command, in a copy of the checkout and on a real API server. */
describe('README, on a cluster', () => {
  let cluster: Installation

  /** What there is no program for here, by what stands in for it; and what has to happen before a command. */
  const standIns: Readonly<Record<string, () => Promise<unknown>>> = {
    // The image is the folder of build:workerd, which `serve` builds.
    'podman build -f infra/kubernetes/Containerfile -t berth .': async () => {},
    // No kubelet starts the Deployment: Berth is started by hand and waited for.
    'kubectl -n berth-system rollout status deployment berth': () => cluster.serve(),
  }
  const before: Readonly<Record<string, () => Promise<unknown>>> = {
    'kubectl apply -k infra/kubernetes/overlays/alone': () => cluster.lead(),
  }

  beforeAll(async () => {
    cluster = await Installation.prepare()
  })
  afterAll(() => cluster?.stop())

  test('takes six commands', () => {
    expect(steps).toHaveLength(6)
    for (const script of [...Object.keys(standIns), ...Object.keys(before)])
      expect(steps.map((step) => step.script)).toContain(script)
  })

  test.each(steps.map((step) => [step.script, step] as const))('%s', async (script, step) => {
    const standIn = standIns[script]
    if (standIn) {
      await standIn()
      return
    }
    await before[script]?.()
    const output = await cluster.shell(script)
    if (step.output) expect(missingLines(step.output.text, output), output).toEqual([])
  })
})
