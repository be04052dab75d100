import { readFileSync } from 'fs';

/** One plain sentence when this Node is older than package.json asks for, else undefined. */
export function explainOldNode(version) {
  const { engines } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  const needed = parseVersion(engines.node);
  const found = parseVersion(version);
  const isOld = found.major < needed.major || (found.major === needed.major && found.minor < needed.minor);
  if (!isOld) return undefined;
  return `everswin needs Node ${needed.major}.${needed.minor} or newer, and this is Node ${version}. Next: install Node 22 (https://nodejs.org/en/download, or \`nvm install 22\`), then run the same command again.`;
}

function parseVersion(text) {
  const [, major, minor] = /(\d+)\.(\d+)/.exec(text);
  return { major: Number(major), minor: Number(minor) };
}
