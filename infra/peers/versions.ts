/** The Kubernetes that the suites run against; a release that also exists as official envtest binaries. */
export const KUBERNETES_VERSION = '1.34.1'
/** The oldest one that is accepted in KUBEBUILDER_ASSETS. */
export const OLDEST_KUBERNETES = [1, 34] as const
/** What its go.mod asks for. */
export const OLDEST_GO = [1, 24] as const

/** The Gitea that Git pushes are tested with: the last whose every module is to be had by the Go proxy. */
export const GITEA_VERSION = '1.26.0'

/** True when the first `major.minor` in `text` is at least `oldest`. */
export function isAtLeast(text: string, [major, minor]: readonly [number, number]): boolean {
  const found = /(\d+)\.(\d+)/.exec(text)
  if (!found) return false
  const [have, then] = [Number(found[1]), Number(found[2])]
  return have > major || (have === major && then >= minor)
}
