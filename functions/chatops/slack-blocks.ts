import type { Reply } from './reply.ts'

/** Limits of Block Kit: characters of one text, fields of one section, buttons of one row. */
const TEXT_LIMIT = 2_900
const FIELDS_LIMIT = 10
const VALUE_LIMIT = 2_000

const ICON: Readonly<Record<Reply['tone'], string>> = {
  done: ':white_check_mark:',
  ask: ':question:',
  wait: ':hourglass_flowing_sand:',
  wrong: ':x:',
  info: ':information_source:',
}

/** The message of a reply: blocks, and the same in plain words for notifications. */
export function slackMessage(reply: Reply): Record<string, unknown> {
  const { tone, title, facts, lines, actions, personal } = reply
  const blocks: unknown[] = [section(`${ICON[tone]} *${mrkdwn(title)}*`)]
  if (facts.length > 0) {
    const fields = facts
      .slice(0, FIELDS_LIMIT)
      .map(([name, value]) => text(`*${mrkdwn(name)}*\n${mrkdwn(value)}`))
    blocks.push({ type: 'section', fields })
  }
  if (lines.length > 0) blocks.push(section(mrkdwn(lines.join('\n'))))
  if (actions.length > 0) {
    const elements = actions.map(({ label, danger, value }, index) => ({
      type: 'button',
      action_id: `berth-${index}`,
      text: { type: 'plain_text', text: label },
      value: value.slice(0, VALUE_LIMIT),
      ...(danger ? { style: 'danger' } : {}),
    }))
    blocks.push({ type: 'actions', elements })
  }
  return { response_type: personal ? 'ephemeral' : 'in_channel', text: mrkdwn(title), blocks }
}

/**
 * `&`, `<` and `>` are all that Slack asks to be escaped; links, mentions and channels are written with them. What
 * makes bold or code is kept from doing so by characters without width; inside a word it does nothing anyway, and names
 * stay whole for copying.
 */
export function mrkdwn(plain: string): string {
  return plain
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll(/(?<![a-z0-9])[*_~`]|[*_~`](?![a-z0-9])/gi, '\u200b$&\u200b')
    .replaceAll(/@(?=(?:here|channel|everyone)\b)/g, '@\u200b')
}

/** What a person typed, as Slack hands it on: entities, and links made of names that look like hosts. */
export function fromSlack(text: string): string {
  return text
    .replaceAll(/<(?:https?:\/\/|mailto:|tel:)[^>|]*\|([^>]*)>/g, '$1')
    .replaceAll(/<(?:https?:\/\/|mailto:)([^>|]*?)\/?>/g, '$1')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&')
}

const cut = (long: string) => (long.length > TEXT_LIMIT ? `${long.slice(0, TEXT_LIMIT)}…` : long)
const text = (markup: string) => ({ type: 'mrkdwn', text: cut(markup), verbatim: true })
const section = (markup: string) => ({ type: 'section', text: text(markup) })
