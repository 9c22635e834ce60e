import type { Recorder } from './client.ts'
import { isObject, isPromised, type Promised } from './history.ts'

export interface SubnetCount {
  readonly name: string
  readonly cidrBlock: string
  readonly v4usingIPs: number
  readonly v6usingIPs: number
  readonly ledger: Readonly<Partial<Record<'v4' | 'v6', Readonly<Record<string, number>>>>>
}

/** All that can be read from outside once nothing moves any more. */
export interface Snapshot {
  readonly reservations: readonly Promised[]
  readonly subnets: readonly SubnetCount[]
}

/** Small on purpose: paging must be paged. */
const PAGE = 50

export async function readSnapshot(recorder: Recorder): Promise<Snapshot> {
  return { reservations: await readReservations(recorder, ''), subnets: await readSubnets(recorder) }
}

export async function readReservations(recorder: Recorder, filter: string): Promise<Promised[]> {
  const reservations: Promised[] = []
  let token = ''
  do {
    const query = `limit=${PAGE}${filter}${token ? `&continue=${encodeURIComponent(token)}` : ''}`
    const page = await recorder.get(`/v1/reservations?${query}`)
    if (page.status !== 200 || !isObject(page.body) || !Array.isArray(page.body.items)) {
      throw new Error(`GET /v1/reservations?${query} answered ${page.status}: ${page.text}`)
    }
    for (const item of page.body.items) {
      if (!isPromised(item)) throw new Error(`not a reservation: ${JSON.stringify(item)}`)
      reservations.push(item)
    }
    token = typeof page.body.continue === 'string' ? page.body.continue : ''
  } while (token)
  return reservations
}

async function readSubnets(recorder: Recorder): Promise<SubnetCount[]> {
  const answer = await recorder.get('/v1/subnets')
  const items = isObject(answer.body) ? answer.body.items : undefined
  if (answer.status !== 200 || !Array.isArray(items)) {
    throw new Error(`GET /v1/subnets answered ${answer.status}: ${answer.text}`)
  }
  return items as SubnetCount[]
}
