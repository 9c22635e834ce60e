/** The variables a deployment may set (contract.md "Variables"). Whatever starts the Worker passes on these and no others. */
export const WORKER_VARIABLES = [
  'CLUSTER',
  'AUTHORITY',
  'KUBE_API_URL',
  'KUBE_TOKEN',
  'OVN_NB',
  'KEEP_VM_IP',
  'WINDOW',
  'OUTSIDE_WINDOW',
  'WAIT_MS',
  'ACK_MS',
  'STRAGGLER_MS',
  'CONTROLLER_MS',
  'QUARANTINE_MS',
  'AUDIT_DAYS',
  'ACCESS',
  'KUBE_USER',
  'ADMISSION_SECRET',
  'ADMIN_KEY_SHA256',
  'OIDC',
  'RATE_LIMIT',
  'KUBE_AUDIENCES',
  'CHAT',
  'SLACK_SIGNING_SECRET',
  'DISCORD_PUBLIC_KEY',
  'TELEGRAM_SECRET_TOKEN',
  'MATTERMOST_TOKEN',
  'GIT',
  'GIT_SECRETS',
  'EVENTS',
  'SUBSCRIBERS',
  'EVENT_SENDERS',
  'EVENT_SECRETS',
  'CLUSTERS',
  'CLUSTER_SECRETS',
  'SHARED_SPACES',
] as const

/** Those of them that are set, with their values. An empty value counts as unset. */
export function setVariables(environment: NodeJS.ProcessEnv): Record<string, string> {
  const set: Record<string, string> = {}
  for (const name of WORKER_VARIABLES) {
    const value = environment[name]
    if (value !== undefined && value !== '') set[name] = value
  }
  return set
}
