import { problem } from '../shared/problem.ts'
import type { DoorApp, DoorContext } from './door.ts'
import { methodNotAllowed } from './middleware/problem.ts'
import { replyJson } from './reply/json.ts'
import { refuse } from './reply/problem.ts'

/** Where the vendored files of the documentation page come from. */
export interface Assets {
  fetch(request: Request): Promise<Response>
}

export interface DocsOptions {
  readonly version: string
  readonly assets: (c: DoorContext) => Assets | undefined
}

/** swagger-ui-dist's files as infra/dev/assets.ts lays them out; nothing else can be asked for. */
const FILES: Readonly<Record<string, string>> = {
  'swagger-ui.css': 'text/css; charset=utf-8',
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
  'favicon-32x32.png': 'image/png',
}

/** Swagger UI writes style attributes and shows data: images; scripts come from here alone. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

const PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Berth: API</title>
<link rel="icon" href="/docs/favicon-32x32.png">
<link rel="stylesheet" href="/docs/swagger-ui.css">
<div id="ui"><p>The description of the API is at <a href="/openapi.json">/openapi.json</a>.</p></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
`

const START = `SwaggerUIBundle({ url: '/openapi.json', dom_id: '#ui', deepLinking: true, validatorUrl: null })
`

/** GET /docs with its files, and / which leads there. */
export function mountDocs(app: DoorApp, { version, assets }: DocsOptions): void {
  const page = { 'Content-Type': 'text/html; charset=utf-8', 'Content-Security-Policy': POLICY }
  const script = { 'Content-Type': 'text/javascript; charset=utf-8' }
  app.get('/', (c) => {
    if (c.req.header('Accept')?.includes('text/html')) return c.redirect('/docs', 302)
    return replyJson(c, { name: 'berth', version, docs: '/docs', openapi: '/openapi.json' })
  })
  app.get('/docs', (c) => c.body(PAGE, 200, page))
  // One path for all files: beside `/docs/start.js` it would be ambiguous, and Hono take its slow router for all.
  app.get('/docs/:file', async (c) =>
    c.req.param('file') === 'start.js' ? c.body(START, 200, script) : asset(c, assets(c)),
  )
  for (const path of ['/', '/docs', '/docs/:file']) app.all(path, methodNotAllowed(['GET']))
}

async function asset(c: DoorContext, assets: Assets | undefined): Promise<Response> {
  const name = c.req.param('file') ?? ''
  const type = Object.hasOwn(FILES, name) ? FILES[name] : undefined
  const found =
    type === undefined ? undefined : await assets?.fetch(new Request(new URL(`/${name}`, c.req.url)))
  if (!type || !found?.ok) return refuse(c, problem('not_found', 'there is no such file', { field: 'path' }))
  return c.body(found.body as ReadableStream, 200, { 'Content-Type': type, 'Cache-Control': 'max-age=3600' })
}
