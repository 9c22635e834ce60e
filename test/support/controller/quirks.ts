/** What kube-ovn-controller v1.17.0 does that surprises; each can be switched off, so that it can be blamed. */
export const QUIRKS = {
  Q1: 'handlers read an informer cache that lags; off: they read the API server',
  Q2: 'after a gap the informer lists again and sees one change; off: it resumes and sees each',
  Q3: 'the add handler leaves alone what has a finalizer, another name or a port; off: it takes it all on',
  Q4: 'a static address may be shared; a dynamic one is keyed by object name and its MAC dropped; off: neither',
  Q5: 'an object that is complete already gets no finalizer; off: it does',
  Q6: 'the second write replaces all labels by an old copy; off: it adds its one label',
  Q7: 'a failed key comes back after 5 ms doubling to 1,000 s; off: always after 5 ms',
  Q8: 'a delete that is tried again releases again; off: it releases once an object',
  Q9: 'an object deleted without finalizer releases nothing; off: its lease is released',
  Q10: 'at start v4/v6 follow ipAddress, and only StatefulSet and VM objects and Pods are loaded; off: all are',
  Q11: 'the startup collection deletes reservations without owner; off: it spares them',
  Q12: 'a port without Pod is deleted when seen twice, 360 s apart; off: at once',
  Q13: 'a dual request that fails on its second family keeps the first; off: it gives it back',
  Q14: 'a smaller CIDR drops the leases outside; off: it keeps them',
} as const

export type Quirk = keyof typeof QUIRKS
export type Quirks = ReadonlySet<Quirk>

export const ALL_QUIRKS: Quirks = new Set(Object.keys(QUIRKS) as Quirk[])

/** All but the named ones. */
export function without(...off: readonly Quirk[]): Quirks {
  return new Set([...ALL_QUIRKS].filter((quirk) => !off.includes(quirk)))
}
