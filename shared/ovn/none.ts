import type { OvnLister, OvnPort } from './port.ts'

/** OVN_NB=none: says of everything that nobody looked, so that nobody takes it for absence. */
export const noOvn: OvnPort & OvnLister = {
  send: async (requests) => requests.map(() => ({ result: 'unasked' })),
  ports: async () => ({ result: 'unasked' }),
  status: async () => ({ ready: true, detail: 'none: logical switch ports are not looked after' }),
}

/** OVN_NB cannot be read: nobody is asked, nothing is taken for absent, and `detail` says why. */
export function unreadableOvn(detail: string): OvnPort & OvnLister {
  const later = { result: 'later', reason: 'refused', detail } as const
  return {
    send: async (requests) => requests.map(() => later),
    ports: async () => later,
    status: async () => ({ ready: false, detail }),
  }
}
