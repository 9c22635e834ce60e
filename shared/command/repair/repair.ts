/**
 * Compares ledger and cluster, and mends what differs by the operations the ledger has anyway: attempts, uids, fences and
 * driver tokens are theirs. Nothing here frees an address, and asking twice does nothing twice.
 */
import { LATE, within } from '../../clock.ts'
import type { SubnetObject } from '../../kube-ovn/subnet-object.ts'
import type { OvnLister, OvnPort } from '../../ovn/port.ts'
import { type Problem, problem } from '../../problem.ts'
import { err, ok, type Result } from '../../result.ts'
import { factsOf, readPools } from '../facts.ts'
import type { CommandPorts } from '../ports.ts'
import { clusterProblem, subnetObjects } from '../subnets.ts'
import { mend } from './mend.ts'
import { type Fresh, picture } from './picture.ts'
import { readIps, readPods } from './read.ts'
import type { Drift, RepairCommand, RepairFinding, RepairOutcome, SubnetRepair } from './types.ts'

export interface RepairPorts extends CommandPorts {
  readonly ovn: OvnPort & OvnLister
  /** Ranges of Berth's window in a Subnet, where it has one. */
  readonly windowOf?: (subnet: string) => readonly string[] | undefined
}

/** Findings told of one Subnet; the others are counted, and are there the next time. */
const MOST_TOLD = 1_000
/** How long reading the cluster may take. */
const READ_MS = 60_000

/** Compares one Subnet or all, and repairs unless it is a dry run. */
export async function repair(ports: RepairPorts, command: RepairCommand): Promise<RepairOutcome> {
  const objects = await subnetsOf(ports, command.subnet)
  if (!objects.ok) return { kind: 'refused', problem: objects.error }
  const subnets: SubnetRepair[] = []
  const allowed: Inspected[] = []
  for (const object of objects.value) {
    const { name } = object.metadata
    const inspected = await asked(ports, name, () => ports.ledger(name).inspect())
    if (inspected.ok) allowed.push({ object, inspection: inspected.value })
    else subnets.push(uncompared(name, inspected.error))
  }
  const [first] = subnets
  if (allowed.length === 0) {
    if (first?.problem) return { kind: 'refused', problem: first.problem }
    return { kind: 'compared', dryRun: command.dryRun, subnets }
  }
  const fresh = await within(ports.clock, READ_MS, read(ports))
  if (fresh === LATE) {
    return {
      kind: 'refused',
      problem: problem('unavailable', 'the cluster takes too long to list its objects'),
    }
  }
  if (!fresh.ok) return { kind: 'refused', problem: fresh.error }
  const untilMs = ports.clock.nowMs() + (command.budgetMs ?? ports.settings.waitMs)
  for (const one of allowed) {
    const { name } = one.object.metadata
    const compared = await asked(ports, name, () => compareOne(ports, command, one, fresh.value, untilMs))
    subnets.push(compared.ok ? compared.value : uncompared(name, compared.error))
  }
  subnets.sort((a, b) => (a.subnet < b.subnet ? -1 : 1))
  return { kind: 'compared', dryRun: command.dryRun, subnets }
}

type Inspected = Pick<Fresh, 'object' | 'inspection'>
type Read = Pick<Fresh, 'ips' | 'pods' | 'pools'>

async function subnetsOf(
  ports: RepairPorts,
  name?: string,
): Promise<Result<readonly SubnetObject[], Problem>> {
  if (name === undefined) return subnetObjects(ports)
  const [reply] = await ports.cluster.send([{ verb: 'get', ref: { kind: 'Subnet', name } }])
  if (!reply) throw new Error('no reply to one request')
  if (reply.ok) return ok([reply.value as SubnetObject])
  if (reply.error.reason !== 'NotFound') return err(clusterProblem(reply.error))
  return err(problem('unknown_subnet', `there is no Subnet ${name}`, { field: 'subnet' }))
}

async function read(ports: RepairPorts): Promise<Result<Read, Problem>> {
  const { cluster, settings } = ports
  const [ips, pods, pools] = await Promise.all([
    readIps(cluster),
    readPods(cluster, settings.keepVmIp),
    readPools(ports),
  ])
  if (!ips.ok) return err(clusterProblem(ips.error))
  if (!pods.ok) return err(clusterProblem(pods.error))
  if (!pools.ok) return err(clusterProblem(pools.error))
  return ok({ ips: ips.value, pods: pods.value, pools: pools.value })
}

async function compareOne(
  ports: RepairPorts,
  command: RepairCommand,
  { object, inspection }: Inspected,
  { ips, pods, pools }: Read,
  untilMs: number,
): Promise<Result<SubnetRepair, Problem>> {
  const { name } = object.metadata
  const drawn = await picture(ports, { object, inspection, ips, pods, pools })
  if (!drawn.ok) return drawn
  const { drifts, version, looked } = drawn.value
  const told = drifts.slice(0, MOST_TOLD)
  const facts = factsOf(object, pools, ports.clusterName, ports.settings.windows)
  const outcomes = command.dryRun
    ? await Promise.all(told.map((drift) => foreseen(ports, name, drift)))
    : await mend(ports, { tenant: command.tenant, subnet: name, facts, drifts: told, untilMs })
  const findings = told.map((drift, index): RepairFinding => {
    const { mend: _how, lease: _row, ...shown } = drift
    return { ...shown, subnet: name, ...(outcomes[index] ?? { outcome: 'left' }) }
  })
  if (!command.dryRun) for (const finding of findings) audit(ports, command, finding)
  return ok({ subnet: name, resourceVersion: version, ports: looked, findings, total: drifts.length })
}

/** What would become of a finding. What is under way is said, for it would be joined. */
async function foreseen(
  ports: RepairPorts,
  subnet: string,
  { mend: how, lease }: Drift,
): Promise<Pick<RepairFinding, 'outcome' | 'operation'>> {
  if (!how) return { outcome: 'not_repaired' }
  if (lease && lease.operation !== '') {
    const op = await ports.ledger(subnet).operation(lease.operation)
    if (op?.state === 'running') return { outcome: 'under_way', operation: op.id }
  }
  return { outcome: 'would_repair' }
}

/** One line for each finding: who asked, what it was, what became of it. */
function audit({ log }: RepairPorts, { tenant, requestId }: RepairCommand, finding: RepairFinding): void {
  const { kind, subnet, names, addresses, outcome, operation, problem: why } = finding
  log.write('info', 'repair', {
    ...{ audit: true, tenant, requestId, subnet, kind, names, addresses, outcome },
    ...(operation === undefined ? {} : { operation }),
    ...(why === undefined ? {} : { code: why.code }),
  })
}

function uncompared(subnet: string, why: Problem): SubnetRepair {
  return { subnet, findings: [], total: 0, problem: why }
}

/** A ledger that does not answer costs the others nothing. */
async function asked<T>(
  { log }: RepairPorts,
  subnet: string,
  ask: () => Promise<Result<T, Problem>>,
): Promise<Result<T, Problem>> {
  try {
    return await ask()
  } catch (error) {
    const reason = error instanceof Error ? error.message : 'unknown'
    log.write('warn', 'repair: a Subnet was not compared', { subnet, reason })
    return err(problem('unavailable', 'its ledger does not answer', { retryAfterMs: 1_000 }))
  }
}
