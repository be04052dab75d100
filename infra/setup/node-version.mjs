// Bootstrap loads this file before it knows the version of Node, so it uses only what Node 12 supports.

/** Major version of Node that runs everything. The lock files in infra/setup/node pin the exact version. */
export const pinnedMajor = 24;

/** Returns an error message if this Node is too old to run the setup, else undefined. */
export function checkNodeVersion(version) {
  if (isAtLeast(version, 20, 11)) return undefined;
  return `everswin needs Node 20.11 or newer, but this is Node ${version}. Next: install Node ${pinnedMajor} (https://nodejs.org/en/download, or \`nvm install ${pinnedMajor}\`), then run the same command again.`;
}

/** Rejects Node 24.0 to 24.2, which print a warning about every TypeScript program. */
export function isPinnedMajor(version) {
  return isAtLeast(version, pinnedMajor, 3) && !isAtLeast(version, pinnedMajor + 1, 0);
}

/** Accepts the versions that run TypeScript without a flag. */
export function runsTypeScript(version) {
  return isAtLeast(version, 22, 18);
}

function isAtLeast(version, major, minor) {
  const [, currentMajor, currentMinor] = /(\d+)\.(\d+)/.exec(version).map(Number);
  return currentMajor > major || (currentMajor === major && currentMinor >= minor);
}
