import type { Result } from '../shared/result.ts'
import { type AccessVariables, accessSettingsOf } from './access/settings.ts'
import { type ChatVariables, chatSettingsOf } from './chatops/settings.ts'
import { type EventVariables, eventSettingsOf } from './events/settings.ts'
import { type GitVariables, gitSettingsOf } from './gitops/settings.ts'
import { accessModeError, settingsOf, type Variables } from './settings.ts'

export type AllVariables = Variables & AccessVariables & ChatVariables & GitVariables & EventVariables

/**
 * Variables that make no sense, a sentence each; secrets are named and never shown. Empty: all were understood.
 * @param parseRemotes how OVN_NB is read
 */
export function misread(
  variables: AllVariables,
  parseRemotes: (text: string) => Result<unknown, string>,
): readonly string[] {
  const wrong: string[] = []
  for (const read of [settingsOf, accessSettingsOf, chatSettingsOf, gitSettingsOf, eventSettingsOf]) {
    try {
      read(variables)
    } catch (error) {
      wrong.push(error instanceof Error ? error.message : 'a variable cannot be read')
    }
  }
  const access = accessModeError(variables)
  if (access !== undefined) wrong.push(access)
  const northbound = variables.OVN_NB || 'none'
  const remotes = northbound === 'none' ? undefined : parseRemotes(northbound)
  if (remotes && !remotes.ok) wrong.push(`OVN_NB: ${remotes.error}`)
  return wrong
}
