import type { ChatCommand } from './command.ts'

type Release = Extract<ChatCommand, { verb: 'release' }>

/**
 * What a button carries: the reservation that was shown, by name, Subnet and id. The platform signs the press, and
 * rights are those of whoever presses.
 */
export function actionValue(shown: {
  readonly name: string
  readonly subnet: string
  readonly id: string
  readonly force: boolean
}): string {
  return ['release', shown.force ? 'force' : '', shown.id, shown.subnet, shown.name].join('|')
}

/** The command of a button, undefined where it is none of ours. */
export function parseAction(value: string): Release | undefined {
  const [verb, force, id, subnet, name, ...more] = value.split('|')
  if (verb !== 'release' || more.length > 0 || !id || !subnet || !name) return undefined
  if (![id, subnet, name].every((part) => /^[a-z0-9._-]{1,253}$/.test(part))) return undefined
  return { verb, target: { name }, subnet, id, force: force === 'force', confirmed: true }
}
