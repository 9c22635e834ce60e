import { parseAddress } from '../ipam/address.ts'
import { parseMac } from '../ipam/mac.ts'
import type { IpamError } from '../ipam/types.ts'
import type { Finding } from '../problem.ts'
import { err, ok, type Result } from '../result.ts'
import type { LeaseRow } from './lease.ts'
import type { Wish } from './port.ts'
import { findingOf } from './refusals.ts'

/** What is wrong with the name of a wish; `nic` is the port name its owner has in this Subnet. */
export function nameFinding(wish: Wish, nic: string, provider: string): Finding | undefined {
  if (nic.length > 253) {
    return {
      code: 'invalid_name',
      field: 'podName',
      message: `the object name would have ${nic.length} characters, 253 are allowed`,
    }
  }
  if (wish.name === undefined || wish.name === nic) return undefined
  return {
    code: 'invalid_name',
    field: 'name',
    message: `the name must be ${nic}: Pod name and namespace, joined by dots${provider === 'ovn' ? '' : ', then the provider'}`,
    hint: nic,
  }
}

/** Whether a wish may be answered from the row its owner has already. */
export function presentFinding(wish: Wish, row: LeaseRow): Finding | undefined {
  switch (row.state) {
    case 'releasing':
      return { code: 'releasing', field: 'podName', message: `${row.nic} is being released` }
    case 'foreign':
      return { code: 'contested', field: 'podName', message: `${row.nic} exists and was not made here` }
    case 'held':
    case 'bound':
    case 'stranded':
    case 'quarantined':
      break
    default:
      return row.state satisfies never
  }
  for (const { field, wished, is } of addressWishes(wish, row)) {
    if (!wished.ok) return findingOf({ ...wished.error, field })
    if (wished.value !== is) {
      return { code: 'already_reserved', field, message: `${row.nic} is reserved with another ${field}` }
    }
  }
  if (wish.podType !== '' && wish.podType !== row.podType) {
    return {
      code: 'immutable_field',
      field: 'podType',
      message: `podType of ${row.nic} is "${row.podType}" and cannot change`,
    }
  }
  if (wish.ipPool !== undefined && wish.ipPool !== row.pool) {
    return {
      code: 'immutable_field',
      field: 'ipPool',
      message: `ipPool of ${row.nic} is "${row.pool}" and cannot change`,
    }
  }
  return undefined
}

function addressWishes(wish: Wish, row: LeaseRow) {
  const wishes = []
  if (wish.v4IpAddress !== undefined) {
    wishes.push({ field: 'v4IpAddress', wished: familyValue(wish.v4IpAddress, 4), is: row.v4 })
  }
  if (wish.v6IpAddress !== undefined) {
    wishes.push({ field: 'v6IpAddress', wished: familyValue(wish.v6IpAddress, 6), is: row.v6 })
  }
  if (wish.macAddress !== undefined) {
    wishes.push({ field: 'macAddress', wished: parseMac(wish.macAddress), is: row.mac })
  }
  return wishes
}

function familyValue(text: string, family: 4 | 6): Result<number | bigint, IpamError> {
  const parsed = parseAddress(text)
  if (!parsed.ok) return parsed
  if (parsed.value.family === family) return ok(parsed.value.value)
  return err({ kind: 'invalid-ip', detail: `${text} is not an IPv${family} address` })
}
