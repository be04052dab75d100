import { rmSync } from 'node:fs';
import path from 'node:path';
import { choosePython } from './python.mjs';
import { formatFacts, sha256OfFile } from './stamp.mjs';

/** Step that installs the pinned version of uv into the project. */
export function uvProgram(root) {
  const folder = path.join(root, '.everswin/tools/uv');
  const lockFile = path.join(root, 'trainer/requirements-uv.lock');
  return {
    name: 'uv',
    title: 'uv, which installs the Python packages (18 MB to download)',
    stampFile: path.join(folder, '.everswin-stamp'),
    facts: () =>
      formatFacts({
        'requirements-uv.lock': sha256OfFile(lockFile),
        platform: `${process.platform}-${process.arch}`,
      }),
    checkMachine: choosePython,
    neededBytes: () => 0.1e9,
    install: async (run) => {
      const python = choosePython();
      rmSync(folder, { recursive: true, force: true });
      // `--target` works without python3-venv and in spite of PEP 668.
      await run(python, [
        ...['-m', 'pip', 'install', '--target', folder, '-r', lockFile],
        ...['--require-hashes', '--no-deps', '--only-binary', ':all:'],
        ...['--no-input', '--disable-pip-version-check', '--progress-bar', 'off'],
      ]);
    },
  };
}

export function uvExecutable(root) {
  return path.join(root, '.everswin/tools/uv/bin/uv');
}
