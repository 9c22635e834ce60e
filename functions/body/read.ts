import { type Problem, problem } from '../../shared/problem.ts'
import { err, ok, type Result } from '../../shared/result.ts'
import { parseJson, type ReadOptions } from './json.ts'
import { quote } from './path.ts'
import { positionOf } from './position.ts'
import { parseYaml } from './yaml.ts'

export const BODY_LIMIT_BYTES = 1 << 20
/** What is read and thrown away of a body that is too large, so that its sender gets to read the answer. */
const DRAIN_LIMIT_BYTES = 64 << 20

export const FORMATS: Readonly<Record<string, 'json' | 'yaml'>> = {
  'application/json': 'json',
  'application/yaml': 'yaml',
  'application/x-yaml': 'yaml',
  'text/yaml': 'yaml',
  'text/x-yaml': 'yaml',
}

export const BODY_TYPES: readonly string[] = Object.keys(FORMATS)

export interface BodyOptions extends ReadOptions {
  /** No body at all reads as no document instead of a refusal. */
  readonly allowEmpty?: boolean
  /** BODY_LIMIT_BYTES where none is given. */
  readonly limitBytes?: number
}

/**
 * The documents of a request body: one for JSON, any number for YAML, empty ones left out.
 * Nothing is believed before it is checked: type, size (announced and real), UTF-8, syntax.
 * @returns `unsupported_media_type`, `too_large`, `malformed`; `invalid_field` for a `__proto__` name
 */
export async function readDocuments(
  request: Request,
  options: BodyOptions = {},
): Promise<Result<readonly unknown[], Problem>> {
  const format = formatOf(request.headers, FORMATS)
  if (!format.ok) return format
  const bytes = await readRaw(request, options.limitBytes ?? BODY_LIMIT_BYTES)
  if (!bytes.ok) return bytes
  if (bytes.value.byteLength === 0) return options.allowEmpty ? ok([]) : refuseEmpty()
  if (format.value === undefined) return refuseType('the body has no Content-Type', FORMATS)
  const text = decode(bytes.value)
  if (!text.ok) return text
  return documentsOf(format.value, text.value, options)
}

/** The documents of a text. */
export function documentsOf(
  format: 'json' | 'yaml',
  text: string,
  options: BodyOptions = {},
): Result<readonly unknown[], Problem> {
  if (format === 'yaml') {
    const documents = parseYaml(text, options)
    return documents.ok && documents.value.length === 0 && !options.allowEmpty ? refuseEmpty() : documents
  }
  if (/^[ \t\r\n]*$/.test(text)) return options.allowEmpty ? ok([]) : refuseEmpty()
  const value = parseJson(text, options)
  return value.ok ? ok([value.value]) : value
}

/** A body that must not be empty as text, and which of these formats it has; refusals as of `readDocuments`. */
export async function readText<F extends string>(
  request: Request,
  formats: Readonly<Record<string, F>>,
): Promise<Result<{ readonly format: F; readonly text: string }, Problem>> {
  const format = formatOf(request.headers, formats)
  if (!format.ok) return format
  const bytes = await readRaw(request, BODY_LIMIT_BYTES)
  if (!bytes.ok) return bytes
  if (bytes.value.byteLength === 0) return refuseEmpty()
  if (format.value === undefined) return refuseType('the body has no Content-Type', formats)
  const text = decode(bytes.value)
  return text.ok ? ok({ format: format.value, text: text.value }) : text
}

function refuseEmpty(): Result<never, Problem> {
  return err(problem('malformed', 'the body is empty', { field: 'body' }))
}

function refuseType(what: string, formats: Readonly<Record<string, string>>): Result<never, Problem> {
  const more = Object.hasOwn(formats, 'text/csv') ? 'text/csv, application/x-ndjson, ' : ''
  const detail = `${what}; send ${more}application/json or application/yaml, for example curl -H 'Content-Type: application/yaml' --data-binary @ip.yaml`
  return err(problem('unsupported_media_type', detail, { field: 'Content-Type' }))
}

/** `undefined` where no type is given, which only an empty body may do. */
function formatOf<F extends string>(
  headers: Headers,
  formats: Readonly<Record<string, F>>,
): Result<F | undefined, Problem> {
  const encoding = headers.get('content-encoding')
  if (encoding !== null && encoding.trim().toLowerCase() !== 'identity') {
    const detail = `Content-Encoding ${quote(encoding)} is not read; send the body as it is`
    return err(problem('unsupported_media_type', detail, { field: 'Content-Encoding' }))
  }
  const header = headers.get('content-type')
  if (header === null) return ok(undefined)
  const [essence = '', ...parameters] = header.toLowerCase().split(';')
  const type = essence.trim()
  const format = Object.hasOwn(formats, type) ? formats[type] : undefined
  if (!format) return refuseType(`${quote(type)} is not read`, formats)
  for (const parameter of parameters) {
    const charset = /^\s*charset\s*=\s*"?([^"\s]*)"?\s*$/.exec(parameter)?.[1]
    if (charset !== undefined && charset !== 'utf-8' && charset !== 'utf8')
      return refuseType(`the character set ${quote(charset)} is not read, only UTF-8`, formats)
  }
  return ok(format)
}

/** The whole body if it is within the limit, whatever Content-Length says. */
async function readBytes(request: Request, limitBytes: number): Promise<Result<Uint8Array, Problem>> {
  const announced = Number(request.headers.get('content-length') ?? 0)
  if (announced > 0 && announced <= limitBytes) {
    // HTTP lets no more through than was announced, so it may be read in one go.
    const bytes = new Uint8Array(await request.arrayBuffer())
    return bytes.byteLength <= limitBytes ? ok(bytes) : tooLargeBody(limitBytes)
  }
  if (!request.body) return ok(new Uint8Array())
  const reader: ReadableStreamDefaultReader<Uint8Array> = request.body.getReader()
  const chunks: Uint8Array[] = []
  let length = 0
  const tooLarge = announced > limitBytes
  while (announced <= DRAIN_LIMIT_BYTES) {
    const { done, value } = await reader.read()
    if (done) break
    length += value.byteLength
    if (length > DRAIN_LIMIT_BYTES) break
    if (length > limitBytes || tooLarge) chunks.length = 0
    else chunks.push(value)
  }
  if (!tooLarge && length <= limitBytes) return ok(join(chunks, length))
  await reader.cancel().catch(() => {})
  return tooLargeBody(limitBytes)
}

/** The raw bytes of a body within a limit, whatever becomes of the connection. */
export async function readRaw(request: Request, limitBytes: number): Promise<Result<Uint8Array, Problem>> {
  // The connection ended, or the chunks were none.
  return readBytes(request, limitBytes).catch(() =>
    err(problem('malformed', 'the body did not arrive whole', { field: 'body' })),
  )
}

function tooLargeBody(limitBytes: number): Result<never, Problem> {
  return err(problem('too_large', `a body may have ${limitBytes} bytes`, { field: 'body' }))
}

function join(chunks: readonly Uint8Array[], length: number): Uint8Array {
  const first = chunks[0]
  if (chunks.length === 1 && first) return first
  const bytes = new Uint8Array(length)
  let at = 0
  for (const chunk of chunks) {
    bytes.set(chunk, at)
    at += chunk.byteLength
  }
  return bytes
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Strict UTF-8. The byte order mark is left in: YAML allows one (§5.2), JSON does not (RFC 8259 §8.1). */
function decode(bytes: Uint8Array): Result<string, Problem> {
  let text: string
  try {
    text = utf8.decode(bytes)
  } catch {
    return err(problem('malformed', 'the body is not UTF-8', { field: 'body' }))
  }
  const nul = text.indexOf('\0')
  if (nul < 0) return ok(text)
  return err(problem('malformed', `NUL at ${positionOf(text, nul)}`, { field: 'body' }))
}
