import { rfc3339 } from '../clock.ts'

/** What happened, as the ledgers hand it on. Times are wall ms. */
export interface Happening {
  /** cluster/subnet, or who else tells. */
  readonly space: string
  readonly id: string
  /** Last part of the type: reserved, released, refused, contested, stranded, drift. */
  readonly type: string
  readonly subject: string
  /** JSON. */
  readonly data: string
  readonly at: number
}

/** CloudEvents 1.0 in its JSON form [cloudevents/spec v1.0.2, json-format.md]; the space is the source. */
export function cloudEvent({ space, id, type, subject, data, at }: Happening): string {
  return JSON.stringify({
    specversion: '1.0',
    id,
    source: `urn:berth:${space}`,
    type: `berth.reservation.${type}.v1`,
    subject,
    time: rfc3339(at),
    datacontenttype: 'application/json',
    data: JSON.parse(data) as unknown,
  })
}
