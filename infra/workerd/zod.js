// zod without its fifty languages and without the reader of JSON Schema, which no bundler can leave out: @hono/zod-openapi
// hands the whole namespace on. wrangler.toml puts this in zod's place; zod's package.json names no entry that would do.
import * as z from './zod-parts.js'

export * from './zod-parts.js'
export { z, z as default }
