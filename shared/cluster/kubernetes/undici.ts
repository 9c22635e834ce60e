/**
 * Stands for the package undici in the Worker's bundle (wrangler.toml, [alias]). The generated client names it as its
 * default way to send; this adapter always brings its own.
 */
export function fetch(): never {
  throw new Error('the generated client was given no HTTP library')
}
