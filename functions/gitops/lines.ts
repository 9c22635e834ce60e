import { isNode, isScalar, LineCounter, parseAllDocuments } from 'yaml'
import type { Path } from '../body/path.ts'

/** The way that body/path.ts spelled. */
export function readPathText(text: string): Path {
  return [...text.matchAll(/\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]|([A-Za-z_][\w-]*)/g)].map(
    ([, index, quoted, name]) =>
      index !== undefined
        ? Number(index)
        : quoted !== undefined
          ? (JSON.parse(quoted) as string)
          : (name ?? ''),
  )
}

/**
 * Finds lines in a file that has been read already (so it is short and well formed). Documents count as they are
 * counted there: empty ones do not.
 */
export function lineFinder(text: string): (field: string) => number {
  const counter = new LineCounter()
  const documents = parseAllDocuments(text, {
    lineCounter: counter,
    merge: false,
    uniqueKeys: false,
    logLevel: 'silent',
  })
  const filled = 'empty' in documents ? [] : documents.filter(({ contents }) => !isEmpty(contents))
  return (field) => {
    const path = field === 'body' ? [] : readPathText(field)
    const several = filled.length > 1
    const index = several && typeof path[0] === 'number' ? path[0] : 0
    const document = filled[index]
    if (!document) return 1
    // The nearest part that is there: a missing field is missed in its parent.
    for (let steps = several ? path.slice(1) : path; ; steps = steps.slice(0, -1)) {
      const node = steps.length === 0 ? document.contents : document.getIn(steps, true)
      if (isNode(node) && node.range) return counter.linePos(node.range[0]).line
      if (steps.length === 0) return 1
    }
  }
}

const isEmpty = (contents: unknown) => contents === null || (isScalar(contents) && contents.value === null)

/** The line that a message of the YAML or JSON reader names, else the first. */
export function lineIn(message: string): number {
  return Number(/\bline (\d+), column \d+/.exec(message)?.[1] ?? 1)
}
