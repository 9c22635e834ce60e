// Reserve over HTTP on raw workerd. npm run bench -- reserve
import type { Suite } from '../suite.ts'
import { cold } from './cold.ts'
import { fullness } from './fullness.ts'
import { group } from './group.ts'
import { rate } from './rate.ts'
import { Sides } from './sides.ts'

export const reserve: Suite = {
  name: 'reserve',
  async *run() {
    const sides = await Sides.open()
    try {
      yield* rate(sides)
      yield* group(sides)
      yield* fullness(sides)
      yield* cold(sides)
    } finally {
      await sides.close()
    }
  },
}
