import type { SharedSpacePort } from '../../shared/spaces/port.ts'
import type { SharedSpace } from './shared-space.ts'

/** The SharedSpacePort of one member, over RPC to its Durable Object. A fresh stub for every call. */
export function sharedSpaceClient(
  namespace: DurableObjectNamespace<SharedSpace>,
  space: string,
  member: string,
): SharedSpacePort {
  const stub = () => namespace.getByName(space)
  return {
    take: (holdings) => stub().take(member, holdings),
    look: (holdings) => stub().look(member, holdings),
    settle: (rows) => stub().settle(member, rows),
  }
}
