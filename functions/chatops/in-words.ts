import type { Reply } from './reply.ts'

export interface Markup {
  readonly escape: (plain: string) => string
  readonly bold: (escaped: string) => string
}

const TEXT_LIMIT = 1_800

/** A reply as text, for platforms where it is sent as such: buttons become what to type instead. */
export function inWords(
  { title, facts, lines, actions, operation }: Reply,
  { escape: plainly, bold }: Markup,
): string {
  const typed = actions.flatMap((action) => (action.typed === '' ? [] : [`${action.label}: ${action.typed}`]))
  const later = operation === undefined ? [] : [`How it ended: status ${operation}`]
  const plain = [...lines, ...typed, ...later].join('\n')
  const cut = plain.length > TEXT_LIMIT ? `${plain.slice(0, TEXT_LIMIT)}…` : plain
  return [
    bold(plainly(title)),
    ...facts.map(([name, value]) => plainly(`${name}: ${value}`)),
    ...(cut === '' ? [] : [plainly(cut)]),
  ].join('\n')
}
