import { parseAddress } from '../../ipam/address.ts'
import { err, ok, type Result } from '../../result.ts'
import type { TcpAddress } from '../../tcp.ts'

/** A server as OVN writes it: `tcp:10.0.0.1:6641`, `ssl:[fd00::1]:6641`, `tcp:ovn-nb:6641`. */
export interface Remote extends TcpAddress {
  /** As it was written. */
  readonly text: string
}

const REMOTE = /^(tcp|ssl):(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)):(\d{1,5})$/
const NUMBERS_ONLY = /^[\d.]+$/

/**
 * Remotes separated by commas, as kube-ovn writes them [dist/images/start-controller.sh]; at least one, none twice.
 * @returns what is wrong, in words
 */
export function parseRemotes(text: string): Result<readonly Remote[], string> {
  const remotes: Remote[] = []
  for (const one of text.split(',').map((part) => part.trim())) {
    const remote = parseRemote(one)
    if (!remote.ok) return remote
    if (remotes.some((other) => other.text === one)) return err(`${quoted(one)} is there twice`)
    remotes.push(remote.value)
  }
  return ok(remotes)
}

function parseRemote(text: string): Result<Remote, string> {
  if (text === '') return err('a remote is empty; write tcp:HOST:PORT or ssl:HOST:PORT, separated by commas')
  const scheme = /^([a-z]+):/.exec(text)?.[1]
  if (scheme === 'unix' || scheme === 'ptcp' || scheme === 'pssl' || scheme === 'punix') {
    return err(`${quoted(text)}: ${scheme}: is not for clients over a network; write tcp: or ssl:`)
  }
  const [, kind, v6, name, digits] = REMOTE.exec(text) ?? []
  const port = Number(digits)
  const host = v6 ?? name
  if (kind === undefined || host === undefined) {
    return err(
      `${quoted(text)} is not of the form tcp:HOST:PORT or ssl:HOST:PORT, an IPv6 address in brackets`,
    )
  }
  if (port < 1 || port > 65_535) return err(`${quoted(text)}: ${digits} is no port`)
  if (v6 !== undefined || NUMBERS_ONLY.test(host)) {
    const address = parseAddress(host)
    if (!address.ok) return err(`${quoted(text)}: ${address.error.detail}`)
    if (v6 !== undefined && address.value.family === 4)
      return err(`${quoted(text)}: ${v6} is no IPv6 address`)
  }
  return ok({ text, host, port, tls: kind === 'ssl' })
}

/** What somebody wrote, shortened, safe to show in a line. */
function quoted(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text)
}
