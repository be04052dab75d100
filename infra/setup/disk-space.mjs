import { existsSync, lstatSync, readdirSync, statfsSync, statSync } from 'node:fs';
import path from 'node:path';
import { SetupFailure } from './failure.mjs';

export function requireSpace(folder, neededBytes) {
  const { bavail, bsize } = statfsSync(folder);
  const freeBytes = bavail * bsize;
  if (freeBytes >= neededBytes) return;
  throw new SetupFailure(
    `Setting up needs ${formatGigabytes(neededBytes)} in ${folder}, and ${formatGigabytes(freeBytes)} are free there. Next: free some space, or move everswin to a larger disk, then run the same command again.`,
  );
}

/** uv's cache costs nothing extra on the project's own disk, where it shares its files with the environment. */
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
