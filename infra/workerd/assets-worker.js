/**
 * Serves the static files where no wrangler does it (infra/workerd). workerd's disk service gives bytes only: content
 * types, index.html and the way on to Berth are here. workerd loads this file as it stands, so it is plain JavaScript
 * without imports. Bindings: FILES, the disk service; BERTH, who answers where there is no file (else 404).
 */
const CONTENT_TYPES = {
  css: 'text/css; charset=utf-8',
  html: 'text/html; charset=utf-8',
  ico: 'image/x-icon',
  js: 'text/javascript; charset=utf-8',
  json: 'application/json',
  map: 'application/json',
  mjs: 'text/javascript; charset=utf-8',
  png: 'image/png',
  svg: 'image/svg+xml',
  txt: 'text/plain; charset=utf-8',
  woff2: 'font/woff2',
}

/** The files a path may mean, in wrangler's order. */
function candidates(path) {
  if (path.endsWith('/')) return [`${path}index.html`]
  return [path, `${path}.html`, `${path}/index.html`]
}

export default {
  async fetch(request, env) {
    if (request.method === 'GET' || request.method === 'HEAD') {
      for (const path of candidates(new URL(request.url).pathname)) {
        const file = await env.FILES.fetch(`http://files${path}`, { method: request.method })
        // A folder is answered with a JSON listing; a file's type is always octet-stream.
        const isFile = file.status === 200 && file.headers.get('Content-Type') === 'application/octet-stream'
        if (!isFile) {
          await file.body?.cancel()
          continue
        }
        const headers = new Headers(file.headers)
        const type = CONTENT_TYPES[path.slice(path.lastIndexOf('.') + 1)]
        if (type) headers.set('Content-Type', type)
        headers.set('Cache-Control', 'public, max-age=0, must-revalidate')
        return new Response(file.body, { status: 200, headers })
      }
    }
    return env.BERTH ? env.BERTH.fetch(request) : new Response('Not found\n', { status: 404 })
  },
}
