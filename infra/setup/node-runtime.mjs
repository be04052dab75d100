import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, realpathSync, rmSync } from 'node:fs';
import path from 'node:path';
import { SetupFailure } from './failure.mjs';
import { isPinnedMajor, pinnedMajor, runsTypeScript } from './node-version.mjs';
import { npmCi } from './npm-packages.mjs';
import { formatFacts, sha256OfFile } from './stamp.mjs';

const platform = `${process.platform}-${process.arch}`;

/**
 * Returns the path of the Node that runs everything, and the steps that install it. Nothing needs to be installed if
 * this process runs a suitable Node, or if EVERSWIN_NODE names one.
 */
export function chooseNode(root) {
  const { EVERSWIN_NODE: named } = process.env;
  if (named) return { node: findNamedNode(named), steps: [] };
  if (isPinnedMajor(process.versions.node)) return { node: process.execPath, steps: [] };
  const folder = path.join(root, '.everswin/tools/node');
  const node = path.join(folder, 'node_modules/.bin/node');
  return { node, steps: [pinnedNode(root, folder, node)] };
}

/** Step that installs the pinned Node from its npm package, whose hash is in the lock file. */
function pinnedNode(root, folder, node) {
  const lockFolder = path.join(root, 'infra/setup/node', platform);
  const lockFile = path.join(lockFolder, 'package-lock.json');
  if (!existsSync(lockFile)) throw new SetupFailure(messages.unsupportedMachine);
  return {
    name: `Node ${pinnedMajor}`,
    title: `Node ${pinnedMajor}, which runs all programs (53 MB to download)`,
    stampFile: path.join(folder, '.everswin-stamp'),
    facts: () => formatFacts({ 'package-lock.json': sha256OfFile(lockFile), platform }),
    neededBytes: () => 0.3e9,
    install: async (run) => {
      rmSync(folder, { recursive: true, force: true });
      mkdirSync(folder, { recursive: true });
      copyFileSync(lockFile, path.join(folder, 'package-lock.json'));
      copyFileSync(path.join(lockFolder, 'package.json'), path.join(folder, 'package.json'));
      // npm rejects a prefix behind a symbolic link, such as a tool folder on another disk.
      await run('npm', [...npmCi, '--prefix', realpathSync(folder)]);
      // Fails here rather than at every program if the system's C library is too old.
      await run(node, ['--version']);
    },
  };
}

function findNamedNode(named) {
  const { node, version } = probeNode(named);
  if (!runsTypeScript(version)) throw new SetupFailure(messages.tooOld(named, version));
  return node;
}

function probeNode(named) {
  try {
    const script = 'console.log(JSON.stringify({ node: process.execPath, version: process.versions.node }))';
    return JSON.parse(execFileSync(named, ['-e', script], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }));
  } catch {
    throw new SetupFailure(messages.notRunnable(named));
  }
}

const messages = {
  unsupportedMachine: `everswin installs Node ${pinnedMajor} on Linux x64 and arm64 only, but this machine is ${platform}. Next: install Node ${pinnedMajor} (https://nodejs.org/en/download) so that it is first on PATH, then run the same command again.`,
  notRunnable: (named) =>
    `EVERSWIN_NODE is ${named}, but this is not a Node that runs here. Next: set it to the path of a Node executable, or unset it to use Node ${pinnedMajor}, then run the same command again.`,
  tooOld: (named, version) =>
    `EVERSWIN_NODE is ${named}, but this is Node ${version}, and everswin needs 22.18 or newer. Next: set it to a newer Node, or unset it to use Node ${pinnedMajor}, then run the same command again.`,
};
