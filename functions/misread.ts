import type { Result } from '../shared/result.ts'
import { type AccessVariables, accessSettingsOf } from './access/settings.ts'
import { type ChatVariables, chatSettingsOf } from './chatops/settings.ts'
import { type ClusterVariables, clusterNames, clustersError, variablesOf } from './clusters.ts'
import { type EventVariables, eventSettingsOf } from './events/settings.ts'
import { type GitVariables, gitSettingsOf } from './gitops/settings.ts'
import { accessModeError, settingsOf, type Variables } from './settings.ts'

export type AllVariables = Variables &
  AccessVariables &
  ChatVariables &
  GitVariables &
  EventVariables &
  ClusterVariables

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
  wrong.push(...northboundError(variables, parseRemotes))
  return [...wrong, ...clustersMisread(variables, parseRemotes)]
}

type ParseRemotes = (text: string) => Result<unknown, string>

function northboundError({ OVN_NB }: Variables, parseRemotes: ParseRemotes): string[] {
  const northbound = OVN_NB || 'none'
  const remotes = northbound === 'none' ? undefined : parseRemotes(northbound)
  return remotes && !remotes.ok ? [`OVN_NB: ${remotes.error}`] : []
}

/** Each further cluster's, read as the default one's are. */
function clustersMisread(variables: AllVariables, parseRemotes: ParseRemotes): string[] {
  const wrong = clustersError(variables)
  if (wrong !== undefined) return [wrong]
  return clusterNames(variables)
    .slice(1)
    .flatMap((name) => {
      const own = variablesOf(variables, name) ?? {}
      try {
        settingsOf(own)
      } catch (error) {
        return [`CLUSTERS, ${name}: ${error instanceof Error ? error.message : 'cannot be read'}`]
      }
      return northboundError(own, parseRemotes).map((text) => `CLUSTERS, ${name}: ${text}`)
    })
}
