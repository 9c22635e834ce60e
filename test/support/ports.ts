import type { OvnEvidence, OvnPort, OvnRequest, PortView } from '../../shared/ovn/port.ts'

/** Logical switch ports in memory, and every cut that took effect. Each request may be answered otherwise first. */
export class FakePorts implements OvnPort {
  readonly ports = new Map<string, PortView>()
  readonly asked: OvnRequest[] = []
  readonly cuts: string[] = []
  intercept: (request: OvnRequest, pass: () => OvnEvidence) => OvnEvidence = (_, pass) => pass()
  #made = 0

  /** A port as Kube-OVN writes it. */
  add(name: string, pod: string, address: string): PortView {
    const port: PortView = {
      name,
      uuid: `uuid-${++this.#made}`,
      type: '',
      switches: ['ovn-default'],
      addresses: [`00:00:00:00:00:01 ${address}`],
      externalIds: { vendor: 'kube-ovn', ls: 'ovn-default', pod },
    }
    this.ports.set(name, port)
    return port
  }

  async send(requests: readonly OvnRequest[]): Promise<OvnEvidence[]> {
    this.asked.push(...requests)
    return requests.map((request) => this.intercept(request, () => this.#answer(request)))
  }

  async status() {
    return { ready: true, detail: 'in memory' }
  }

  #answer(request: OvnRequest): OvnEvidence {
    if (request.verb === 'address') {
      const held = [...this.ports.values()].filter(
        ({ name, addresses }) =>
          name !== request.except &&
          addresses.some((line) => line.split(' ').some((word) => request.addresses.includes(word))),
      )
      return held.length > 0 ? { result: 'held', ports: held } : { result: 'absent' }
    }
    const port = this.ports.get(request.owner.name)
    if (!port) return { result: 'absent' }
    if (port.externalIds.pod !== request.owner.pod) {
      return { result: 'not_ours', port, why: `its pod is "${port.externalIds.pod}"` }
    }
    if (request.verb === 'name') return { result: 'found', port }
    if (port.uuid !== request.uuid) return { result: 'not_ours', port, why: 'it was made anew' }
    this.ports.delete(port.name)
    this.cuts.push(port.uuid)
    return { result: 'cut' }
  }
}
