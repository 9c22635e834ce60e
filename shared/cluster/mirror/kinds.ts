import type { Kind } from '../port.ts'

/** What the mirror follows. */
export type MirroredKind = Exclude<
  Kind,
  'Lease' | 'Event' | 'ValidatingAdmissionPolicyBinding' | 'MutatingWebhookConfiguration'
>

/** `optional`: a cluster may do without it (no KubeVirt, an older Kube-OVN). */
export const MIRRORED: { readonly [K in MirroredKind]: { readonly optional: boolean } } = {
  Subnet: { optional: false },
  IPPool: { optional: true },
  IP: { optional: false },
  Vip: { optional: true },
  Pod: { optional: false },
  StatefulSet: { optional: false },
  VirtualMachine: { optional: true },
  VirtualMachineInstance: { optional: true },
}

export const MIRRORED_KINDS = Object.keys(MIRRORED) as MirroredKind[]

export function isMirrored(kind: Kind): kind is MirroredKind {
  return Object.hasOwn(MIRRORED, kind)
}
