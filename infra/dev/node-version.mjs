// Plain JavaScript on purpose: this is what an old Node must be able to read to say that it is too old.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < 22 || (major === 22 && minor < 18)) {
  console.error(
    `Berth runs on Node 22.18 or later; this is ${process.versions.node}.\n` +
      'npm brings its own Node 24 (the package "node"): run "npm ci", with install scripts allowed, then "npm start".',
  )
  process.exit(1)
}
