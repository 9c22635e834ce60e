import type { CommandPorts } from '../ports.ts'
import { checkCreated, completeCreated } from './ip-create.ts'
import { checkDeleted } from './ip-delete.ts'
import { checkUpdated, completeUpdated } from './ip-update.ts'
import { type Admission, allowed, type IpReview } from './types.ts'

/** The mutating door of IP objects: completes what is created or replaced. */
export async function mutateIp(ports: CommandPorts, review: IpReview): Promise<Admission> {
  switch (review.operation) {
    case 'CREATE':
      return completeCreated(ports, review)
    case 'UPDATE':
      return isOwn(ports, review) ? allowed() : completeUpdated(review)
    case 'DELETE':
      return allowed()
    default:
      return review.operation satisfies never
  }
}

/** The validating door of IP objects: refuses what would break a promise, after everybody has had their say. */
export async function validateIp(ports: CommandPorts, review: IpReview): Promise<Admission> {
  switch (review.operation) {
    case 'CREATE':
      return checkCreated(ports, review)
    case 'UPDATE':
      return isOwn(ports, review) ? allowed() : checkUpdated(review)
    case 'DELETE':
      return isOwn(ports, review) ? allowed() : checkDeleted(ports, review)
    default:
      return review.operation satisfies never
  }
}

/** Berth's own adoptions and releases were decided before they were sent; a webhook should not even have asked. */
function isOwn(ports: CommandPorts, { user }: IpReview): boolean {
  return user === ports.settings.account
}
