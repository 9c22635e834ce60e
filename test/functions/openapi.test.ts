import { describe, expect, it } from 'vitest'
import { PROBLEMS } from '../../shared/problem.ts'
import { fakeDoor } from '../support/fake-berth.ts'
import { call, json } from './call.ts'

interface Media {
  schema: { $ref?: string; anyOf?: { $ref: string }[] }
  example?: { status: number; code: keyof typeof PROBLEMS }
}
interface Operation {
  summary?: string
  parameters?: { name: string; in: string; required?: boolean }[]
  requestBody?: { required: boolean; content: Record<string, Media> }
  responses: Record<string, { description: string; content?: Record<string, Media> }>
}
interface Description {
  openapi: string
  info: { title: string; version: string }
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, { example?: unknown }> }
}

const describeApi = async (): Promise<Description> => (await call(fakeDoor(), '/openapi.json')).json()

const description = await describeApi()
const operations = Object.entries(description.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => [`${method} ${path}`, operation] as const),
)

describe('/openapi.json', () => {
  it('is OpenAPI 3.1 of this version', () => {
    expect(description.openapi).toBe('3.1.0')
    expect(description.info).toMatchObject({ title: 'Berth', version: '0.0.0-test' })
  })

  it('holds every route', () => {
    expect(operations.map(([name]) => name).sort()).toEqual([
      'delete /embedded/ippools/{name}',
      'delete /embedded/pods/{namespace}/{name}',
      'delete /embedded/statefulsets/{namespace}/{name}',
      'delete /embedded/virtualmachines/{namespace}/{name}',
      'delete /v1/keys/{id}',
      'delete /v1/subnets/{name}',
      'get /healthz',
      'get /openapi.json',
      'get /readyz',
      'get /v1/audit',
      'get /v1/clusters',
      'get /v1/dns/{zone}',
      'get /v1/events',
      'get /v1/events/dead-letters',
      'get /v1/export',
      'get /v1/gitops/{repository}',
      'get /v1/keys',
      'get /v1/operations/{id}',
      'get /v1/reservations',
      'get /v1/reservations/{name}',
      'get /v1/subnets',
      'get /v1/subnets/{name}',
      'get /v1/subnets/{name}/suggest',
      'post /hooks/chat/discord',
      'post /hooks/chat/mattermost',
      'post /hooks/chat/slack',
      'post /hooks/chat/telegram',
      'post /hooks/events',
      'post /hooks/git/gitea',
      'post /hooks/git/github',
      'post /hooks/git/gitlab',
      'post /v1/adopt',
      'post /v1/import',
      'post /v1/keys',
      'post /v1/release',
      'post /v1/renew',
      'post /v1/repair',
      'post /v1/reserve',
      'post /v1/subnets/{name}/window',
      'post /v1/transfer',
      'post /v1/validate',
      'put /embedded/ippools/{name}',
      'put /embedded/pods/{namespace}/{name}',
      'put /embedded/statefulsets/{namespace}/{name}',
      'put /embedded/virtualmachines/{namespace}/{name}',
      'put /v1/subnets/{name}',
    ])
  })

  it('names each state a write may end in', () => {
    const statuses = Object.keys(description.paths['/v1/reserve']!.post!.responses).map(Number)
    expect(statuses).toEqual([200, 201, 202, 400, 401, 403, 404, 406, 409, 413, 415, 422, 429, 503, 507])
  })

  it('refers to nothing that is not there', () => {
    const names = [...JSON.stringify(description).matchAll(/"\$ref":"([^"]+)"/g)].map(([, name]) => name!)
    expect(names.length).toBeGreaterThan(20)
    for (const name of names)
      expect(description.components.schemas).toHaveProperty([name.replace('#/components/schemas/', '')])
  })

  it('names no other host', () => {
    expect(JSON.stringify(description)).not.toMatch(/https?:\/\//)
  })

  it.for(operations)('%s has a summary, a success and problems in one form', ([, operation]) => {
    expect(operation.summary).toBeTruthy()
    expect(Object.keys(operation.responses).some((status) => status.startsWith('2'))).toBe(true)
    for (const [status, reply] of Object.entries(operation.responses)) {
      expect(reply.description).toBeTruthy()
      if (status < '400') continue
      const problem = reply.content?.['application/problem+json']
      expect(problem?.schema.$ref).toBe('#/components/schemas/Problem')
      expect(problem?.example?.status).toBe(Number(status))
      expect(PROBLEMS[problem!.example!.code].status).toBe(Number(status))
    }
  })

  it.for(operations)('%s documents every parameter of its path', ([name, operation]) => {
    const inPath = [...name.matchAll(/\{(\w+)\}/g)].map(([, parameter]) => parameter)
    const documented = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path')
    expect(documented.map((parameter) => parameter.name)).toEqual(inPath)
    expect(documented.every((parameter) => parameter.required)).toBe(true)
  })

  it('documents dryRun and Idempotency-Key of every write but those of owners, keys and foreign senders', () => {
    for (const [name, operation] of operations.filter(([name]) => !/^get|embedded|v1\/keys|hooks/.test(name)))
      expect(
        (operation.parameters ?? []).map((parameter) => parameter.name),
        name,
      ).toEqual(expect.arrayContaining(['dryRun', 'Idempotency-Key', 'X-Request-Id']))
  })
})

const REQUESTS = {
  Wish: ['POST', '/v1/reserve'],
  IPManifest: ['POST', '/v1/reserve'],
  Release: ['POST', '/v1/release'],
  ReleaseTarget: ['POST', '/v1/release'],
  AdoptSelection: ['POST', '/v1/adopt'],
  Repair: ['POST', '/v1/repair'],
  Window: ['POST', '/v1/subnets/lab/window'],
  SubnetManifest: ['PUT', '/v1/subnets/lab'],
  IPPoolManifest: ['PUT', '/embedded/ippools/databases'],
  OwnerManifest: ['PUT', '/embedded/pods/default/a'],
} as const

it.for(Object.entries(REQUESTS))('the example of %s is accepted', async ([name, [method, path]]) => {
  const { example } = description.components.schemas[name]!
  const reply = await call(fakeDoor(), path, { ...json(example), method })
  expect(reply.status).toBeLessThan(300)
})

it('is made once', async () => {
  const door = fakeDoor()
  const [first, second] = [await call(door, '/openapi.json'), await call(door, '/openapi.json')]
  expect(await first.text()).toBe(await second.text())
})
