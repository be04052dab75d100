import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import path from 'node:path';
import { requireSpaceForCache, sizeOf } from './disk-space.mjs';
import { mirrorOfPip } from './pip-mirror.mjs';
import { choosePython, isSupportedPython } from './python.mjs';
import { formatFacts, sha256OfFile } from './stamp.mjs';
import { uvExecutable } from './uv-program.mjs';

// Measured: 8.1 GB once installed, 4.4 GB of downloads. uv's cache shares the installed files by hard links when it is
// on the same disk.
const environmentBytes = 8.5e9;

/** The trainer's virtual environment, exactly as locked: nothing more, nothing less, every file's hash checked. */
export function trainerEnvironment(root) {
  const folder = path.join(root, '.everswin/tools/trainer-env');
  const python = path.join(folder, 'bin/python');
  const lockFile = path.join(root, 'trainer/requirements.lock');
  const buildLockFile = path.join(root, 'trainer/requirements-build.lock');
  return {
    name: "the trainer's Python environment",
    title: "the trainer's Python environment (torch, MMDetection, Temporal CLI; 4.4 GB to download)",
    stampFile: path.join(folder, '.everswin-stamp'),
    describe: () =>
      formatFacts({
        'requirements.lock': sha256OfFile(lockFile),
        'requirements-build.lock': sha256OfFile(buildLockFile),
        // Its scripts begin with this path and its packages fit this Python only.
        folder,
        python: realpathSync(python),
      }),
    checkMachine: choosePython,
    // What an earlier start installed is kept.
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
      await run(uv, args, mirrorOfPip(basePython));
    },
  };
}

function isUsable(folder, python) {
  const activate = path.join(folder, 'bin/activate');
  return existsSync(activate) && readFileSync(activate, 'utf8').includes(folder) && isSupportedPython(python);
}

function cacheFolder(uv) {
  return execFileSync(uv, ['cache', 'dir'], { encoding: 'utf8' }).trim();
}
