import { describe, expect, it } from 'vitest'
import { fakeDoor } from '../support/fake-berth.ts'
import { call } from './call.ts'

/** The assets binding: answers with the path it was asked for. */
const echo = { fetch: async (request: Request) => new Response(new URL(request.url).pathname) }
const door = () => fakeDoor({}, 'loopback-anonymous', echo)

describe('/docs', () => {
  it('loads from here alone', async () => {
    const reply = await call(door(), '/docs')
    const page = await reply.text()
    expect(reply.headers.get('content-type')).toBe('text/html; charset=utf-8')
    expect(page).not.toMatch(/https?:|\/\/|<script>|style=|\son\w+=/)
    const policy = reply.headers.get('content-security-policy')!
    expect(policy).toContain("default-src 'none'")
    expect(policy).toContain("script-src 'self';")
    expect(policy).toContain("frame-ancestors 'none'")
  })

  it('has every file it loads', async () => {
    const page = await (await call(door(), '/docs')).text()
    const files = [...page.matchAll(/(?:href|src)="(\/docs\/[^"]+)"/g)].map(([, path]) => path!)
    expect(files).toHaveLength(4)
    for (const file of files) {
      const reply = await call(door(), file)
      expect(reply.status).toBe(200)
      expect(reply.headers.get('content-type')).toMatch(/^(text|image)\//)
      expect(reply.headers.get('x-content-type-options')).toBe('nosniff')
    }
  })

  it('asks the assets for known names only', async () => {
    const reply = await call(door(), '/docs/swagger-ui.css')
    expect(await reply.text()).toBe('/swagger-ui.css')
    expect(reply.headers.get('cache-control')).toBe('max-age=3600')
    for (const name of ['NOTICE', 'constructor', '__proto__', 'swagger-ui.css%2f..'])
      expect((await call(door(), `/docs/${name}`)).status).toBe(404)
  })

  it('is 404 for a file where no assets are bound or one is missing', async () => {
    const empty = { fetch: async () => new Response('no', { status: 404 }) }
    for (const without of [fakeDoor(), fakeDoor({}, 'loopback-anonymous', empty)]) {
      const reply = await call(without, '/docs/swagger-ui.css')
      expect(reply.status).toBe(404)
      expect(await reply.json()).toMatchObject({ code: 'not_found' })
    }
  })
})

describe('/', () => {
  it('leads a browser to the documentation', async () => {
    const reply = await call(door(), '/', { headers: { Accept: 'text/html,*/*;q=0.8' } })
    expect([reply.status, reply.headers.get('location')]).toEqual([302, '/docs'])
  })

  it('tells a program where to look', async () => {
    expect(await (await call(door(), '/')).json()).toEqual({
      name: 'berth',
      version: '0.0.0-test',
      docs: '/docs',
      openapi: '/openapi.json',
    })
  })
})
