import type { KubeObject } from '../shared/cluster/port.ts'
import type { Admission, IpReview, Review } from '../shared/command/admission/types.ts'
import type { AuditLines, AuditQuery } from '../shared/command/audit.ts'
import type { Zone, ZoneQuery } from '../shared/command/dns/zone.ts'
import type { RepairCommand, RepairOutcome } from '../shared/command/repair/types.ts'
import type {
  AdoptCommand,
  AdoptOutcome,
  OperationView,
  ReleaseCommand,
  RenewCommand,
  Reservation,
  ReservationFilter,
  ReservationPage,
  ReserveCommand,
  SubnetView,
  TransferCommand,
  UncountedSubnet,
  Validation,
  WriteContext,
  WriteOutcome,
} from '../shared/command/types.ts'
import type { WindowView } from '../shared/command/window.ts'
import type { Problem } from '../shared/problem.ts'
import type { Result } from '../shared/result.ts'

/** All that a door may ask for. `functions/env.ts` builds it from the bindings; route tests may put another in its place. */
export interface Berth {
  reserve(command: ReserveCommand): Promise<WriteOutcome>
  validate(command: ReserveCommand): Promise<Validation>
  release(command: ReleaseCommand): Promise<WriteOutcome>
  renew(command: RenewCommand): Promise<WriteOutcome>
  transfer(command: TransferCommand): Promise<WriteOutcome>
  adopt(command: AdoptCommand): Promise<AdoptOutcome>
  /** Compares ledger and cluster; mends what differs unless it is a dry run. */
  repair(command: RepairCommand): Promise<RepairOutcome>
  reservation(name: string, subnet?: string): Promise<Result<Reservation, Problem>>
  reservations(
    filter: ReservationFilter,
    page: { readonly limit: number; readonly continue?: string },
  ): Promise<Result<ReservationPage, Problem>>
  /** Who did what to reservations, a page. */
  audit(
    query: AuditQuery,
    page: { readonly limit: number; readonly continue?: string },
  ): Promise<Result<AuditLines, Problem>>
  /** The DNS names of bound reservations. */
  zone(query: ZoneQuery): Promise<Result<Zone, Problem>>
  operation(id: string): Promise<Result<OperationView, Problem>>
  subnets(): Promise<Result<readonly (SubnetView | UncountedSubnet)[], Problem>>
  subnet(name: string): Promise<Result<SubnetView, Problem>>
  /** Embedded only. `created` tells 201 from 200. */
  putSubnet(
    manifest: KubeObject,
    context: WriteContext,
  ): Promise<Result<{ readonly created: boolean; readonly subnet: SubnetView }, Problem>>
  /** Embedded only; 409 subnet_in_use while any reservation is left. */
  deleteSubnet(name: string, context: WriteContext): Promise<Result<SubnetView, Problem>>
  /** Widens a Subnet's window; a dry run says what that displaces. */
  widenWindow(
    subnet: string,
    ranges: readonly string[],
    context: WriteContext,
  ): Promise<Result<WindowView, Problem>>
  suggest(
    subnet: string,
    wish: { readonly count: number; readonly contiguous: boolean },
  ): Promise<Result<readonly string[], Problem>>
  /** Embedded only: makes an owner (Pod, StatefulSet, VirtualMachine) exist. */
  putOwner(
    manifest: KubeObject,
    context: WriteContext,
  ): Promise<Result<{ readonly created: boolean; readonly object: KubeObject }, Problem>>
  deleteOwner(
    ref: {
      readonly kind: 'Pod' | 'StatefulSet' | 'VirtualMachine'
      readonly namespace: string
      readonly name: string
    },
    context: WriteContext,
  ): Promise<Result<KubeObject, Problem>>
  /** Embedded only: makes an IPPool exist. `created` tells 201 from 200. */
  putPool(
    manifest: KubeObject,
    context: WriteContext,
  ): Promise<Result<{ readonly created: boolean; readonly object: KubeObject }, Problem>>
  deletePool(name: string, context: WriteContext): Promise<Result<KubeObject, Problem>>
  ready(): Promise<readonly PartStatus[]>
  /** What the API server asks before it writes (admission). Each answers within its time limit. */
  mutateIp(review: IpReview): Promise<Admission>
  validateIp(review: IpReview): Promise<Admission>
  mutatePod(review: Review): Promise<Admission>
  validatePod(review: Review): Promise<Admission>
}

/** One part of /readyz. */
export interface PartStatus {
  readonly part: 'ledger' | 'cluster' | 'ovn' | 'authority' | 'webhooks'
  readonly ready: boolean
  readonly detail: string
}
