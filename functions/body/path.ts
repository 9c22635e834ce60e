/** A way into a body: names and indexes, outermost first. */
export type Path = readonly (string | number)[]

/**
 * A path as problems spell it: `spec.v4IpAddress`, `items[3].subnet`, `metadata.annotations["berth/reason"]`,
 * `[1].spec.subnet` in the second document of several.
 */
export function spellPath(path: Path): string {
  let text = ''
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`
    else if (!/^[A-Za-z_][A-Za-z0-9_-]{0,62}$/.test(step)) text += `[${quote(step)}]`
    else text += text === '' ? step : `.${step}`
  }
  return text
}

/** A caller's text in a message: JSON-escaped, ASCII and short, so that it can do no harm in a log or a terminal. */
export function quote(text: string): string {
  const short = text.length > 64 ? `${text.slice(0, 64)}…` : text
  return JSON.stringify(short).replace(
    /[^\x20-\x7e…]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
