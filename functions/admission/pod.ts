import type { AdmissionDoor } from './door.ts'

/**
 * Reviews of Pods. When Berth cannot answer, the webhook's failurePolicy decides: Fail in guarded namespaces, Ignore
 * everywhere else, so that Berth never stands in the way of the cluster's Pods.
 */
export const podDoor: AdmissionDoor = {
  subject: { group: '', version: 'v1', resource: 'pods' },
  whenFailed: 'error',
  async judge(c, verb, { review }) {
    const berth = c.var.berth()
    return {
      verdict: await (verb === 'mutate' ? berth.mutatePod(review) : berth.validatePod(review)),
      warnings: [],
    }
  },
}
