import { existsSync, lstatSync, readdirSync, statfsSync, statSync } from 'node:fs';
import path from 'node:path';
import { SetupFailure } from './failure.mjs';

/** @throws SetupFailure when the disk of the folder has too little free space. */
export function requireSpace(folder, neededBytes) {
  const { bavail, bsize } = statfsSync(folder);
  const freeBytes = bavail * bsize;
  if (freeBytes >= neededBytes) return;
  throw new SetupFailure(
    `Setup needs ${formatGigabytes(neededBytes)} in ${folder}, but only ${formatGigabytes(freeBytes)} are free. Next: free some space, or move everswin to a larger disk, then run the same command again.`,
  );
}

/** Checks the disk of uv's cache, unless it is the disk of the project: there, cache and environment share their files. */
export function requireSpaceForCache(root, cacheFolder, neededBytes) {
  const existing = nearestExisting(cacheFolder);
  if (statSync(existing).dev === statSync(root).dev) return;
  requireSpace(existing, neededBytes);
}

export function sizeOf(folder) {
  if (!existsSync(folder)) return 0;
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return files.reduce((sum, { parentPath, path: folderOfFile, name }) => {
    return sum + lstatSync(path.join(parentPath ?? folderOfFile, name)).size;
  }, 0);
}

function nearestExisting(folder) {
  return existsSync(folder) ? folder : nearestExisting(path.dirname(folder));
}

function formatGigabytes(bytes) {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}
