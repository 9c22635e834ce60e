// Replays recorded Kube-OVN traces against the IPAM core: npm run replay -- FILE…
// Prints one line a file and the first difference; exits 1 on any difference or unreadable file.
import { replayFile } from './trace.ts'

const files = process.argv.slice(2)
if (files.length === 0) {
  console.error('usage: npm run replay -- FILE.jsonl[.gz]…')
  process.exitCode = 2
}
let failed = 0
for (const file of files) {
  try {
    const startedMs = performance.now()
    const { ops, compared, states, differences, first } = replayFile(file)
    const tookMs = Math.round(performance.now() - startedMs)
    const verdict = differences === 0 ? 'ok' : `${differences} DIFFERENCES`
    console.log(
      `${file}: ${ops} ops run, ${compared} outcomes and ${states} states compared, ${verdict} (${tookMs} ms)`,
    )
    if (first === undefined) continue
    failed++
    console.log(`  first: line ${first.line}, ${first.what}\n    op   ${JSON.stringify(first.op)}`)
    console.log(`    want ${first.want}\n    got  ${first.got}`)
  } catch (cause) {
    failed++
    console.error(`${file}: ${cause instanceof Error ? cause.message : String(cause)}`)
  }
}
if (failed > 0) process.exitCode = 1
