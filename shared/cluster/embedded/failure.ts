import { err } from '../../result.ts'
import { type ClusterFailure, type FailureReason, KINDS, type Kind } from '../port.ts'

type Refusal = { readonly ok: false; readonly error: ClusterFailure }
interface Named {
  readonly kind: Kind
  readonly name: string
}

/** A refusal. The embedded store always knows that nothing was done. */
export function refused(reason: FailureReason, message: string): Refusal {
  return err({ reason, message, outcome: 'refused' })
}

/** `ips.kubeovn.io "name"`, as an API server's messages begin. */
export function subject(kind: Kind, name: string): string {
  const { apiVersion, plural } = KINDS[kind]
  const slash = apiVersion.indexOf('/')
  return `${slash < 0 ? plural : `${plural}.${apiVersion.slice(0, slash)}`} ${JSON.stringify(name)}`
}

export function notFound({ kind, name }: Named): Refusal {
  return refused('NotFound', `${subject(kind, name)} not found`)
}

export function invalid({ kind, name }: Named, why: string): Refusal {
  return refused('Invalid', `${subject(kind, name)} is invalid: ${why}`)
}

/** The resourceVersion a writer based its change on is not the object's. */
export function stale({ kind, name }: Named): Refusal {
  return refused(
    'Conflict',
    `Operation cannot be fulfilled on ${subject(kind, name)}: the object has been modified; please apply your changes to the latest version and try again`,
  )
}
