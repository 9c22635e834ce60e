import { expect, it } from 'vitest'
import * as zod from 'zod'

it('the bundle’s zod exports what zod does, but for what is left out on purpose', async () => {
  const lean: Record<string, unknown> = await import('../../infra/workerd/zod.js' as string)
  const whole: Record<string, unknown> = { ...zod }
  const LEFT_OUT = ['core', 'locales', 'fromJSONSchema']
  const wanted = Object.keys(whole).filter((name) => !LEFT_OUT.includes(name))
  expect(Object.keys(lean).sort()).toEqual(wanted.sort())
  for (const name of wanted) {
    if (name === 'z' || name === 'default') continue
    expect(lean[name], name).toBe(whole[name])
  }
  expect(Object.keys(lean.z as object).sort()).toEqual(
    Object.keys(zod.z)
      .filter((name) => !LEFT_OUT.includes(name))
      .sort(),
  )
})
