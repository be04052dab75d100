import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

// A step's stamp says what was installed. It is removed before and written after the installation, in one move, so a
// step that was killed half-way has none and runs again.

export function isStamped({ stampFile, describe }) {
  try {
    return readFileSync(stampFile, 'utf8') === describe();
  } catch (error) {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return false;
    throw error;
  }
}

export function removeStamp({ stampFile }) {
  rmSync(stampFile, { force: true });
}

export function writeStamp({ stampFile, describe }) {
  mkdirSync(path.dirname(stampFile), { recursive: true });
  writeFileSync(`${stampFile}.new`, describe());
  renameSync(`${stampFile}.new`, stampFile);
}

export function sha256OfFile(file) {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

/** The text of a stamp: one `name value` line per fact. */
export function formatFacts(facts) {
  return Object.entries(facts)
    .map(([name, value]) => `${name} ${value}\n`)
    .join('');
}
