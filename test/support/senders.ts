/**
 * Foreign senders that the Worker under test knows, with what they prove themselves by: documented examples and test
 * vectors, which nobody uses.
 */
const CHAT = [
  { platform: 'slack', workspace: 'T1', channel: 'CNET', verbs: ['reserve', 'release', 'read'] },
  { platform: 'slack', workspace: 'T1', user: 'UBOSS', verbs: ['*'] },
  { platform: 'discord', workspace: '100', user: '7', verbs: ['reserve', 'release', 'read', 'force'] },
  { platform: 'telegram', user: '42', verbs: ['reserve', 'release', 'read'] },
  { platform: 'mattermost', workspace: 'team1', channel: 'chan1', verbs: ['reserve', 'release', 'read'] },
].map((entry) => ({ ...entry, subnets: ['chat-*'], namespaces: ['*'] }))

/** The example of docs.slack.dev/authentication/verifying-requests-from-slack. */
export const SLACK_SECRET = '8f742231b10e8888abcd99yyyzzz85a5'
/** RFC 8032 section 7.1, test 1: private and public key. */
export const DISCORD_PRIVATE = '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60'
const DISCORD_PUBLIC_KEY = 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a'
export const TELEGRAM_TOKEN = 'telegram-token-of-the-test'
export const MATTERMOST_TOKEN = 'mattermosttokenofthetest12'

const APIS = {
  github: 'https://api.github.example',
  gitea: 'https://gitea.example/api/v1',
  gitlab: 'https://gitlab.example/api/v4',
} as const

/** One repository of each provider, each for Subnets of its own. */
const GIT = Object.entries(APIS).map(([provider, api]) => ({
  name: `on-${provider}`,
  provider,
  project: 'org/infra',
  api,
  branch: 'main',
  grants: [{ verbs: ['reserve', 'release', 'read'], subnets: [`git-${provider}`], namespaces: ['*'] }],
}))
const GIT_SECRETS = Object.fromEntries(
  GIT.map(({ name }) => [name, { webhook: 'webhook-secret-of-the-test', token: 'token-of-the-test' }]),
)

export const SENDERS: Readonly<Record<string, string>> = {
  GIT: JSON.stringify(GIT),
  GIT_SECRETS: JSON.stringify(GIT_SECRETS),
  CHAT: JSON.stringify(CHAT),
  SLACK_SIGNING_SECRET: SLACK_SECRET,
  DISCORD_PUBLIC_KEY,
  TELEGRAM_SECRET_TOKEN: TELEGRAM_TOKEN,
  MATTERMOST_TOKEN,
}
