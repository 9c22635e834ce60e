import type { ClusterFailure, ClusterRequest, FailureReason, ObjectRef } from '../port.ts'
import { refOf } from './calls.ts'
import { isRecord } from './evidence.ts'
import { isSegment, wrongScope } from './paths.ts'

/** What is wrong with a request before it is sent, or undefined. Such a request is certainly not carried out. */
export function wrongRequest(request: ClusterRequest): ClusterFailure | undefined {
  switch (request.verb) {
    case 'get':
      return wrongRef(request.ref)
    case 'create':
      return wrongObject(request.object) ?? wrongCreate(request.object.metadata)
    case 'replace':
      return wrongObject(request.object) ?? wrongReplace(request.object.metadata)
    case 'patch':
      return wrongRef(request.ref) ?? wrongPatch(request.patch, request.resourceVersion)
    case 'delete':
      return wrongRef(request.ref) ?? (request.uid ? undefined : refused('Conflict', 'delete without a uid'))
  }
}

export function refused(reason: FailureReason, message: string): ClusterFailure {
  return { reason, message, outcome: 'refused' }
}

function wrongRef({ kind, name, namespace }: ObjectRef): ClusterFailure | undefined {
  const scope = wrongScope(kind, namespace)
  if (scope) return refused('Invalid', scope)
  return isSegment(name) ? undefined : refused('NotFound', `${kind} ${JSON.stringify(name)}: no such name`)
}

function wrongObject(object: unknown): ClusterFailure | undefined {
  if (!isRecord(object) || !isRecord(object.metadata))
    return refused('Invalid', 'not an object with metadata')
  const { kind, name, namespace } = refOf(object as unknown as Parameters<typeof refOf>[0])
  const scope = wrongScope(kind, namespace)
  if (scope) return refused('Invalid', scope)
  if (!isSegment(name)) return refused('Invalid', `metadata.name: ${JSON.stringify(name)} is no name`)
  return isJson(object) ? undefined : refused('Invalid', 'the object cannot be written as JSON')
}

/** The server answers this with a 500, which would leave open what became of it. */
function wrongCreate(metadata: { readonly resourceVersion?: string }): ClusterFailure | undefined {
  if (!metadata.resourceVersion) return undefined
  return refused('Invalid', 'metadata.resourceVersion: should not be set on objects to be created')
}

/** Some kinds take an update of whatever is stored when no version is given. */
function wrongReplace(metadata: { readonly resourceVersion?: string }): ClusterFailure | undefined {
  if (metadata.resourceVersion) return undefined
  return refused('Invalid', 'metadata.resourceVersion: must be specified for an update')
}

/** The version travels in the patch's metadata, so the patch must leave room for it. */
function wrongPatch(patch: unknown, resourceVersion: string): ClusterFailure | undefined {
  if (!isRecord(patch) || (patch.metadata !== undefined && !isRecord(patch.metadata))) {
    return refused('Invalid', 'a merge patch must be a JSON object')
  }
  if (!isJson(patch)) return refused('Invalid', 'the patch cannot be written as JSON')
  return resourceVersion ? undefined : refused('Conflict', 'patch without a resourceVersion')
}

function isJson(value: unknown): boolean {
  try {
    return JSON.stringify(value) !== undefined
  } catch {
    return false
  }
}
