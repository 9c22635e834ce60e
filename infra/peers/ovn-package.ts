import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { cached, provide } from './cache.ts'
import { missingFor, unpackDebian } from './debian-package.ts'

/** Paths of OVN's programs and of its Northbound schema. */
export interface OvnBinaries {
  readonly server: string
  /** Makes database files, alone or of a cluster. */
  readonly tool: string
  /** Speaks to a running server's control socket. */
  readonly appctl: string
  readonly nbctl: string
  readonly schema: string
  /** What the programs need in their environment to find the libraries beside them. */
  readonly env: { readonly LD_LIBRARY_PATH: string }
}

const KEY = `ovn-${process.platform}-${process.arch}`
/** Where the packages have them. */
const PROGRAMS = {
  server: 'usr/sbin/ovsdb-server',
  tool: 'usr/bin/ovsdb-tool',
  appctl: 'usr/bin/ovs-appctl',
  nbctl: 'usr/bin/ovn-nbctl',
} as const
const SCHEMA = 'usr/share/ovn/ovn-nb.ovsschema'
const ADVICE =
  'No apt-get to bring OVN: the suites against a real ovsdb-server need Debian or one of its kin.'

/** What is on this machine already. Throws when `npm run peers` has to run first. */
export function locateOvn(): OvnBinaries {
  const folder = cached(KEY)
  if (!folder) throw new Error('There is no ovsdb-server on this machine yet: run `npm run peers` first.')
  return inFolder(folder)
}

/** Brings Debian's OVN with the libraries it lacks here, unpacked, not installed. */
export async function bringOvn(): Promise<OvnBinaries> {
  return inFolder(await provide(KEY, unpackOvn))
}

async function unpackOvn(folder: string): Promise<void> {
  const wanted = ['ovn-common', 'openvswitch-common']
  const missing = await missingFor(wanted, ADVICE)
  // The packages carry Python scripts too, which are not used. The schema comes with the daemon's package.
  const libraries = missing.filter((name) => name.startsWith('lib') && !name.startsWith('libpython'))
  const packages = new Set([...wanted, 'ovn-central', ...libraries])
  await unpackDebian([...packages], folder, ADVICE)
  for (const path of [...Object.values(PROGRAMS), SCHEMA]) {
    if (!existsSync(join(folder, path))) throw new Error(`the packages hold no ${path}`)
  }
}

function inFolder(folder: string): OvnBinaries {
  const program = (name: keyof typeof PROGRAMS) => join(folder, PROGRAMS[name])
  const libraries = readdirSync(join(folder, 'usr/lib'))
    .filter((name) => name.includes('-linux-gnu'))
    .map((name) => join(folder, 'usr/lib', name))
  return {
    server: program('server'),
    tool: program('tool'),
    appctl: program('appctl'),
    nbctl: program('nbctl'),
    schema: join(folder, SCHEMA),
    env: { LD_LIBRARY_PATH: [...libraries, process.env.LD_LIBRARY_PATH].filter(Boolean).join(':') },
  }
}
