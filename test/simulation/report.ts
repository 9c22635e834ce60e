import type { Outcome } from './simulation.ts'

/** What a failed run is told as: where, which invariant, what disagrees, the way there, and how to do it again. */
export function report(
  outcome: Outcome,
  how: { readonly run: string; readonly revision: string; readonly replay: string },
): string {
  const [first] = outcome.violations
  if (!first) return `${how.run}: nothing is wrong`
  const points = outcome.last.filter(({ label }) => label.startsWith('kill') || label.startsWith('death'))
  return [
    `${how.run}, revision ${how.revision}: invariant ${first.invariant} (faults.md) is violated`,
    `at ${first.atMs} ms, after ${outcome.events} events (hash ${outcome.hash})`,
    ...outcome.violations.map(({ invariant, what, atMs }) => `  ${invariant} at ${atMs} ms: ${what}`),
    points.length > 0
      ? `kills before it: ${points.map(({ atMs, label }) => `${label} at ${atMs}`).join('; ')}`
      : '',
    'the last events:',
    ...outcome.last.map(({ atMs, label }) => `  ${String(atMs).padStart(8)} ${label.slice(0, 200)}`),
    `again: ${how.replay}`,
  ]
    .filter((line) => line !== '')
    .join('\n')
}
