import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { expect, it } from 'vitest'

const root = resolve(import.meta.dirname, '../..')
const lines = readFileSync(join(root, 'infra/kubernetes/Containerfile'), 'utf8').split('\n')
const words = (keyword: string) =>
  lines.filter((line) => line.startsWith(`${keyword} `)).map((line) => line.split(/\s+/).slice(1))

it('the container file copies what is there, and all that a bundle is made of', () => {
  const copied = words('COPY')
    .filter(([first]) => !first?.startsWith('--from='))
    .flatMap((paths) => paths.slice(0, -1))
  for (const path of copied) expect(existsSync(join(root, path)), path).toBe(true)
  const bundle = readFileSync(join(root, 'infra/workerd/bundle.ts'), 'utf8')
  const sources = /const SOURCES = \[([^\]]*)\]/.exec(bundle)?.[1]?.match(/[\w./-]+/g) ?? []
  expect(sources.length).toBeGreaterThan(3)
  // The page is not there yet.
  for (const source of sources.filter((name) => existsSync(join(root, name))))
    expect(
      copied.some((path) => source === path || source.startsWith(`${path}/`)),
      source,
    ).toBe(true)
})

it('the Deployment mounts the certificate where the image looks for it, and listens where its Service leads', () => {
  const deployment = readFileSync(join(root, 'infra/kubernetes/base/deployment.yaml'), 'utf8')
  const settings = Object.fromEntries(
    words('ENV')
      .flat()
      .map((word) => word.split('=')),
  )
  expect(deployment).toContain(`mountPath: ${settings.TLS}`)
  expect(deployment).toContain(`--socket-addr=https=${settings.TLS_LISTEN}`)
  expect(deployment).toContain(`--directory-path=store=${settings.DATA}`)
})
