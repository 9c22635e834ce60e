/** Where an offset lies, for people: `line 3, column 7`, both from 1. Linear in the text, so only refusals ask. */
export function positionOf(text: string, offset: number): string {
  let line = 1
  let start = 0
  for (let at = text.indexOf('\n'); at >= 0 && at < offset; at = text.indexOf('\n', at + 1)) {
    line++
    start = at + 1
  }
  return `line ${line}, column ${offset - start + 1}`
}
