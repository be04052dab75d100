import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import path from 'node:path';
import { requireSpaceForCache, sizeOf } from './disk-space.mjs';
import { choosePython, isSupportedPython } from './python.mjs';
import { formatFacts, sha256OfFile } from './stamp.mjs';
import { uvExecutable } from './uv-program.mjs';

// Measured: 8.1 GB installed, 4.4 GB downloaded. On the same disk, uv's cache and the environment share files by hard
// links.
const environmentBytes = 8.5e9;

/** Step that makes the trainer's virtual environment match the lock file exactly, with every hash checked. */
export function trainerEnvironment(root) {
  const folder = path.join(root, '.everswin/tools/trainer-env');
  const python = path.join(folder, 'bin/python');
  const lockFile = path.join(root, 'trainer/requirements.lock');
  const buildLockFile = path.join(root, 'trainer/requirements-build.lock');
  return {
    name: "the trainer's Python environment",
    title: "the trainer's Python environment (torch, MMDetection, Temporal CLI; 4.4 GB to download)",
    stampFile: path.join(folder, '.everswin-stamp'),
    facts: () =>
      formatFacts({
        'requirements.lock': sha256OfFile(lockFile),
        'requirements-build.lock': sha256OfFile(buildLockFile),
        // Its scripts contain this path, and its packages only work with this Python.
        folder,
        python: realpathSync(python),
      }),
    checkMachine: choosePython,
    // An interrupted installation may have left some packages.
    neededBytes: () => Math.max(0, environmentBytes - sizeOf(folder)),
    install: async (run) => {
      const uv = uvExecutable(root);
      const basePython = choosePython();
      if (!isUsable(folder, python)) {
        requireSpaceForCache(root, cacheFolder(uv), environmentBytes);
        await run(uv, ['venv', folder, '--clear', '--python', basePython, '--no-project']);
      }
      const args = [
        ...['pip', 'sync', lockFile, '--python', python, '--require-hashes'],
        ...['--build-constraints', buildLockFile, '--require-build-hashes'],
      ];
      await run(uv, args, pipIndexVariables(basePython));
    },
  };
}

/** Passes pip's package index to uv, which ignores pip's settings: only that index may be reachable. */
function pipIndexVariables(python) {
  if (process.env.UV_DEFAULT_INDEX || process.env.UV_INDEX_URL) return {};
  const settings = execFileSync(python, ['-m', 'pip', 'config', 'list'], { encoding: 'utf8' });
  const [, address] = /^(?:global|install|:env:)\.index-url='(.+)'$/m.exec(settings) ?? [];
  return address ? { UV_DEFAULT_INDEX: address } : {};
}

function isUsable(folder, python) {
  const activate = path.join(folder, 'bin/activate');
  return existsSync(activate) && readFileSync(activate, 'utf8').includes(folder) && isSupportedPython(python);
}

function cacheFolder(uv) {
  return execFileSync(uv, ['cache', 'dir'], { encoding: 'utf8' }).trim();
}
