import { rmSync } from 'node:fs';
import path from 'node:path';
import { choosePython } from './python.mjs';
import { formatFacts, sha256OfFile } from './stamp.mjs';

/** uv in a folder of the project's own: one pinned version, whatever the machine has. */
export function uvProgram(root) {
  const folder = path.join(root, '.everswin/tools/uv');
  const lockFile = path.join(root, 'trainer/requirements-uv.lock');
  return {
    name: 'uv',
    title: 'uv, which installs the Python packages (18 MB to download)',
    stampFile: path.join(folder, '.everswin-stamp'),
    describe: () =>
      formatFacts({
        'requirements-uv.lock': sha256OfFile(lockFile),
        platform: `${process.platform}-${process.arch}`,
      }),
    checkMachine: choosePython,
    neededBytes: () => 0.1e9,
    install: async (run) => {
      const python = choosePython();
      rmSync(folder, { recursive: true, force: true });
      // `--target` needs no virtual environment, so neither python3-venv nor PEP 668 is in the way.
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
