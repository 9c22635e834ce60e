/** Further clusters that the Worker under test has, all embedded; what they share is in SHARED_SPACES. */
export const CLUSTERS: Readonly<Record<string, string>> = {
  CLUSTERS: JSON.stringify([{ name: 'west' }, { name: 'east' }]),
  SHARED_SPACES: JSON.stringify([
    { name: 'vlan100', subnets: ['default/underlay', 'west/underlay', 'east/underlay'] },
    { name: 'vlan300', subnets: ['west/long', 'east/long'] },
    { name: 'vlan400', subnets: ['west/tiny', 'east/tiny'] },
    { name: 'vlan200', subnets: ['default/dual-vlan', 'west/dual-vlan'] },
  ]),
}
