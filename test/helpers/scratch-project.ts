import { chmodSync, copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync } from 'node:fs';
import { realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';

const repository = join(import.meta.dirname, '../..');
const fixtures = join(repository, 'test/fixtures/setup');

/** Fresh clone, with only the files that the setup reads, on a machine with only the given programs. */
export interface ScratchProject {
  readonly folder: string;
  /** Starts the setup; resolves with its result even if it fails. */
  readonly start: (args: string[], env: Record<string, string>) => ReturnType<typeof spawnBootstrap>;
  /** Returns and clears the recorded calls of the fake npm, pip and uv. */
  readonly readCalls: () => string[];
  readonly remove: () => void;
}

export function createScratchProject(programs: string[]): ScratchProject {
  const parent = realpathSync(mkdtempSync(join(tmpdir(), 'everswin-setup-')));
  const [folder, bin, home] = [join(parent, 'project'), join(parent, 'bin'), join(parent, 'home')];
  for (const needed of [join(folder, 'infra'), join(folder, 'trainer'), bin, home]) {
    mkdirSync(needed, { recursive: true });
  }
  cpSync(join(repository, 'infra/setup'), join(folder, 'infra/setup'), { recursive: true });
  copyFileSync(join(repository, 'infra/bootstrap.mjs'), join(folder, 'infra/bootstrap.mjs'));
  copyFileSync(join(repository, 'package.json'), join(folder, 'package.json'));
  copyFileSync(join(fixtures, 'program.mjs'), join(folder, 'program.mjs'));
  for (const lock of lockFiles) writeFileSync(join(folder, lock), 'first\n');
  for (const program of programs) installFake(bin, program);
  for (const tool of ['cp', 'ln', 'mkdir', 'sleep']) symlinkSync(join('/bin', tool), join(bin, tool));
  const calls = join(parent, 'calls');
  return {
    folder,
    start: (args, env) => spawnBootstrap(args, folder, { PATH: bin, HOME: home, FAKE_CALLS: calls, ...env }),
    readCalls: () => {
      const lines = existsSync(calls) ? readFileSync(calls, 'utf8').trimEnd().split('\n') : [];
      rmSync(calls, { force: true });
      return lines;
    },
    remove: () => rmSync(parent, { recursive: true, force: true }),
  };
}

const lockFiles = [
  'package-lock.json',
  'trainer/requirements.lock',
  'trainer/requirements-build.lock',
  'trainer/requirements-uv.lock',
];

/** Installs a fixture, optionally under another name: `python3.12=refusing-python`. */
function installFake(bin: string, program: string): void {
  const [name = program, fixture = name] = program.split('=');
  copyFileSync(join(fixtures, fixture), join(bin, name));
  chmodSync(join(bin, name), 0o755);
}

const fixture = (name: string): string => join(fixtures, name);

/** Returns the Node option that loads a fixture before the setup. */
export function preload(name: string): Record<string, string> {
  return { NODE_OPTIONS: `--import ${fixture(name)}` };
}

function spawnBootstrap(args: string[], cwd: string, env: Record<string, string>) {
  return execa(process.execPath, ['--import', fixture('fake-node-version.mjs'), 'infra/bootstrap.mjs', ...args], {
    cwd,
    env: { FAKE_NODE: process.execPath, ...env },
    extendEnv: false,
    reject: false,
    all: true,
  });
}
