/** resourceVersions of one cluster compare as integers; where one is not a number, news counts as new. */
export function isOlder(seen: string, known: string): boolean {
  if (!/^\d{1,30}$/.test(seen) || !/^\d{1,30}$/.test(known)) return false
  return BigInt(seen) < BigInt(known)
}
