import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

// The stamp of a step records what was installed. It is removed before the installation and renamed into place after
// it, so a step that was killed has no stamp and runs again.

export function isStamped({ stampFile, facts }) {
  try {
    return readFileSync(stampFile, 'utf8') === facts();
  } catch (error) {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return false;
    throw error;
  }
}

export function removeStamp({ stampFile }) {
  rmSync(stampFile, { force: true });
}

export function writeStamp({ stampFile, facts }) {
  mkdirSync(path.dirname(stampFile), { recursive: true });
  writeFileSync(`${stampFile}.new`, facts());
  renameSync(`${stampFile}.new`, stampFile);
}

export function sha256OfFile(file) {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

/** Formats a stamp: one `name value` line per fact. */
export function formatFacts(facts) {
  return Object.entries(facts)
    .map(([name, value]) => `${name} ${value}\n`)
    .join('');
}
