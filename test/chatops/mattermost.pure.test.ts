import { expect, it } from 'vitest'
import { markdown } from '../../functions/chatops/mattermost.ts'

it.each([
  ['00:00:00:4d:b4:36', '`00:00:00:4d:b4:36`'],
  ['has fd00::3 and 10.0.0.2', 'has `fd00::3` and 10\\.0\\.0\\.2'],
  ['::1', '`::1`'],
  // An emoji and a mention are neither.
  [':smile: @all', ':\u200bsmile:\u200b @\u200ball'],
  ['a::b of `c`', '`a::b` of \\`c\\`'],
  ['10:30', '10:\u200b30'],
])('%s is shown as it is', (plain, text) => {
  expect(markdown(plain)).toBe(text)
})
