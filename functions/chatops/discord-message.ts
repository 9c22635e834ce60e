import type { Reply } from './reply.ts'

/** Discord's limits: characters of a description and of a field, and of what a button carries. */
const DESCRIPTION_LIMIT = 4_000
const FIELD_LIMIT = 1_000
const CUSTOM_ID_LIMIT = 100
/** A flag: for the one who asked. */
export const EPHEMERAL = 1 << 6

const COLOUR: Readonly<Record<Reply['tone'], number>> = {
  done: 0x2e7d32,
  ask: 0xf9a825,
  wait: 0x546e7a,
  wrong: 0xc62828,
  info: 0x1565c0,
}

/** The message of a reply: an embed and its buttons. Nobody is mentioned, whatever the words say. */
export function discordMessage(reply: Reply): Record<string, unknown> {
  const { tone, title, facts, lines, actions, personal } = reply
  const tooLong = actions.filter(({ value }) => value.length > CUSTOM_ID_LIMIT)
  const said = [...lines, ...tooLong.map(({ typed }) => `Type: ${typed}`)]
  const embed = {
    title: markdown(title).slice(0, 250),
    color: COLOUR[tone],
    ...(said.length === 0 ? {} : { description: cut(markdown(said.join('\n')), DESCRIPTION_LIMIT) }),
    fields: facts.map(([name, value]) => ({
      name: markdown(name),
      value: cut(markdown(value), FIELD_LIMIT) || '–',
      inline: true,
    })),
  }
  const buttons = actions
    .filter(({ value }) => value.length <= CUSTOM_ID_LIMIT)
    .map(({ label, danger, value }) => ({ type: 2, style: danger ? 4 : 2, label, custom_id: value }))
  return {
    embeds: [embed],
    components: buttons.length === 0 ? [] : [{ type: 1, components: buttons }],
    allowed_mentions: { parse: [] },
    ...(personal ? { flags: EPHEMERAL } : {}),
  }
}

/** Discord's Markdown with its meaning taken away [the characters it marks up with]. */
export function markdown(plain: string): string {
  return plain.replaceAll(/[\\*_~`|>#[\]()<:@-]/g, '\\$&')
}

const cut = (long: string, limit: number) => (long.length > limit ? `${long.slice(0, limit)}…` : long)
