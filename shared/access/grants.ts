import type { Ask, Rights, Verb } from './caller.ts'

/** Verbs on the reservations of these Subnets and namespaces. A pattern is a name, `*`, or a beginning and `*`. */
export interface Grant {
  readonly verbs: readonly (Verb | '*')[]
  readonly subnets: readonly string[]
  readonly namespaces: readonly string[]
  /** The default cluster alone where it is left out. */
  readonly clusters?: readonly string[] | undefined
}

/** Whether one of the grants covers all that is asked. Nothing is pieced together from several. */
export function grantsCover(grants: readonly Grant[], ask: Ask): boolean {
  return grants.some((grant) => covers(grant, ask))
}

function covers({ verbs, subnets, namespaces }: Grant, ask: Ask): boolean {
  if (!matches(subnets, ask.subnet)) return false
  if (ask.verb === 'look') return verbs.some((verb) => verb === '*' || verb === 'read' || verb === 'reserve')
  return verbs.some((verb) => verb === '*' || verb === ask.verb) && matches(namespaces, ask.namespace)
}

function matches(patterns: readonly string[], name: string | undefined): boolean {
  return patterns.some((pattern) => {
    if (pattern === '*') return true
    if (name === undefined) return false
    return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern
  })
}

const DEFAULT_ALONE: readonly string[] = ['default']

/** The rights that a caller who carries grants has in one cluster. */
export function grantedRights(grants: readonly Grant[], cluster = 'default'): Rights {
  const here = grants.filter(({ clusters = DEFAULT_ALONE }) => matches(clusters, cluster))
  return {
    may: async (ask) => (grantsCover(here, ask) ? 'granted' : 'denied'),
    narrows: true,
    names: false,
  }
}
