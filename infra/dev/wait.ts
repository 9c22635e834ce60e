/** Asks `condition` again and again until it answers something; throws after `limitMs`. */
export async function until<T>(
  what: string,
  limitMs: number,
  condition: () => Promise<T | undefined> | T | undefined,
): Promise<T> {
  const deadline = performance.now() + limitMs
  for (;;) {
    const answer = await condition()
    if (answer !== undefined) return answer
    if (performance.now() > deadline) throw new Error(`waited ${limitMs} ms in vain: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
}

/** True when a GET answers 200 within two seconds. */
export async function answers200(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2000) })
    await response.arrayBuffer()
    return response.status === 200
  } catch {
    return false
  }
}
