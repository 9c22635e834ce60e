/** The counters of a Subnet's status [pkg/apis/kubeovn/v1/subnet.go:175-214, pkg/controller/subnet_status.go:262-287]. */
export interface SubnetCounters {
  readonly v4availableIPs: bigint
  readonly v4usingIPs: bigint
  readonly v6availableIPs: bigint
  readonly v6usingIPs: bigint
  /** `a-b,c`. */
  readonly v4availableIPrange: string
  readonly v4usingIPrange: string
  readonly v6availableIPrange: string
  readonly v6usingIPrange: string
}

/** V8's JSON.rawJSON, not yet in TypeScript's library. */
const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown }

/** The counters as they are written: numbers of any size are bare JSON integers [pkg/internal/big_int.go:66]. */
export function countersStatus(counters: SubnetCounters): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(counters).map(([name, value]) => [
      name,
      typeof value === 'bigint' ? (isSafe(value) ? Number(value) : rawJSON(value.toString())) : value,
    ]),
  )
}

/** Whether a status says the same, as exactly as numbers can be read back. */
export function saysCounters(status: unknown, counters: SubnetCounters): boolean {
  const is = (status ?? {}) as Readonly<Record<string, unknown>>
  return Object.entries(counters).every(([name, value]) => {
    const said = is[name]
    return typeof value === 'bigint' ? Number(said ?? Number.NaN) === Number(value) : said === value
  })
}

function isSafe(value: bigint): boolean {
  return value <= BigInt(Number.MAX_SAFE_INTEGER)
}
