import { parentPort, workerData } from 'node:worker_threads'
import { batch } from './batch.ts'

/** One thread of a long run: `workerData` has its seeds. */
const { from, count, step } = workerData as { from: number; count: number; step: number }

function* seeds(): Generator<number> {
  for (let seed = from; seed < from + count; seed += step) yield seed
}

const { runs, events, counters, failures } = await batch(seeds())
parentPort?.postMessage({ runs, events, counts: [...counters.counts], failures })
