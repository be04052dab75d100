import { readFileSync } from 'fs';

/** Returns an error message if this Node is older than package.json requires, else undefined. */
export function checkNodeVersion(version) {
  const { engines } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  const required = parseVersion(engines.node);
  const current = parseVersion(version);
  const isOld = current.major < required.major || (current.major === required.major && current.minor < required.minor);
  if (!isOld) return undefined;
  return `everswin needs Node ${required.major}.${required.minor} or newer, but this is Node ${version}. Next: install Node 22 (https://nodejs.org/en/download, or \`nvm install 22\`), then run the same command again.`;
}

function parseVersion(text) {
  const [, major, minor] = /(\d+)\.(\d+)/.exec(text);
  return { major: Number(major), minor: Number(minor) };
}
