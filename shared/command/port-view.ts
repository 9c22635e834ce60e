import { LATE, within } from '../clock.ts'
import { AWAY_PREFIX, PORT_PREFIX, VIP_PREFIX } from '../kube-ovn/names.ts'
import { isOvnProvider } from '../kube-ovn/pod-nets.ts'
import type { LeaseView } from '../ledger/port.ts'
import { portOwner } from './port-evidence.ts'
import type { CommandPorts } from './ports.ts'
import type { Reservation } from './types.ts'

/** How long a reader waits for OVN; what is known without it is shown after that. */
const LOOK_MS = 2_000

/** What OVN has for a reservation, for its reader: the owner's port, or why none is shown. */
export async function withPort(
  ports: CommandPorts,
  lease: LeaseView,
  shown: Reservation,
): Promise<Reservation> {
  const { settings, ovn, clock } = ports
  const { name, state, provider } = lease
  const isOurs = state === 'held' || state === 'bound' || state === 'stranded' || state === 'releasing'
  const isObject = [VIP_PREFIX, PORT_PREFIX, AWAY_PREFIX].every((prefix) => !name.startsWith(prefix))
  const hasPort = isOvnProvider(provider) && isObject
  if (!settings.ovn || !isOurs || !hasPort) return shown
  const asked = ovn.send([{ verb: 'name', owner: portOwner(lease) }])
  const answers = await within(clock, LOOK_MS, asked)
  const warn = (text: string) => ({ ...shown, warnings: [...shown.warnings, text] })
  const said = answers === LATE ? undefined : answers[0]
  switch (said?.result) {
    case 'found': {
      const { uuid, addresses, up, requestedChassis } = said.port
      const port = {
        uuid,
        addresses,
        ...(up === undefined ? {} : { up }),
        ...(requestedChassis === undefined ? {} : { requestedChassis }),
      }
      return { ...shown, port }
    }
    case 'not_ours':
      return warn(`logical switch port ${name} is not its owner's: ${said.why}`)
    case 'absent':
      return shown
    default:
      return warn('OVN does not say whether there is a logical switch port')
  }
}
