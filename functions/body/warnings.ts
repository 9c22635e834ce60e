import { ipManifest, objectMeta, SERVER_META } from '../schema/ip.ts'
import { type Path, spellPath } from './path.ts'

const LIMIT = 10
const TOP = [...Object.keys(ipManifest.shape), 'status']
const META = [...Object.keys(objectMeta.shape), ...SERVER_META]
const SPEC = Object.keys(ipManifest.shape.spec.shape)

type Fields = Readonly<Record<string, unknown>>

/** What an IP manifest says and Berth does not heed, as an API server would warn. */
export function manifestWarnings(manifest: Fields, at: Path): string[] {
  const metadata = fields(manifest.metadata)
  const spec = fields(manifest.spec)
  const ignored = [
    ...unknownFields(manifest, TOP, at),
    ...unknownFields(metadata, META, [...at, 'metadata']),
    ...unknownFields(spec, SPEC, [...at, 'spec']),
  ].map((field) => `${field} is not a known field and was ignored`)
  if (metadata.namespace)
    ignored.push(
      `${spellPath([...at, 'metadata', 'namespace'])} was ignored: IP objects belong to the cluster`,
    )
  for (const name of ['attachSubnets', 'attachIps', 'attachMacs', 'nodeName', 'containerID']) {
    const value = spec[name]
    if (Array.isArray(value) ? value.length > 0 : value)
      ignored.push(`${spellPath([...at, 'spec', name])} was ignored: a reservation has none`)
  }
  return ignored.length > LIMIT
    ? [...ignored.slice(0, LIMIT), `${ignored.length - LIMIT} more fields were ignored`]
    : ignored
}

/** The spelled names of `object` that are not `known`. */
export function unknownFields(object: Fields, known: readonly string[], at: Path): string[] {
  return Object.keys(object)
    .filter((name) => !known.includes(name))
    .map((name) => spellPath([...at, name]))
}

function fields(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {}
}
