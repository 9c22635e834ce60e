/** Further clusters that the Worker under test has, all embedded; what they share is in SHARED_SPACES. */
export const CLUSTERS: Readonly<Record<string, string>> = {
  CLUSTERS: JSON.stringify([{ name: 'west' }, { name: 'east' }]),
}
