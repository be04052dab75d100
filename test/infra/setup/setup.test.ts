import { appendFileSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { createScratchProject, preload, type ScratchProject } from '../../helpers/scratch-project.ts';

const everything = ['npm ci', 'pip install', 'uv venv', 'uv pip sync'];

let project: ScratchProject | undefined;
afterEach(() => project?.remove());

const cloneOn = (...programs: string[]): ScratchProject => (project = createScratchProject(programs));
const completeMachine = (): ScratchProject => cloneOn('npm', 'python3', 'uv');

const until = async (isTrue: () => boolean): Promise<void> => {
  while (!isTrue()) await sleep(10);
};

const isRunning = (pid: number): boolean => {
  const status = `/proc/${pid}/status`;
  return existsSync(status) && !/^State:\tZ/m.test(readFileSync(status, 'utf8'));
};

describe('setup on a complete machine', () => {
  test('installs everything at the first start, then exits with the code of the program', async () => {
    const { start, readCalls, folder } = completeMachine();
    const { exitCode, stdout, stderr } = await start(['program.mjs', '4', 'of', 'us'], {});
    expect({ exitCode, stdout }).toEqual({ exitCode: 4, stdout: 'program 4 of us' });
    expect(readCalls()).toEqual(everything);
    expect(stderr).toMatch(/^\[1\/3\] Installing the npm packages .*…$/m);
    expect(stderr).toMatch(/^\[3\/3\] Installing the trainer's Python environment \(torch.*… done in \d+ s$/m);
    expect(readFileSync(join(folder, '.everswin/logs/setup.log'), 'utf8')).toContain('$ npm ci');
  });

  test('installs and prints nothing at the second start', async () => {
    const { start, readCalls } = completeMachine();
    await start(['program.mjs'], {});
    readCalls();
    const { all } = await start(['program.mjs', '0'], {});
    expect(readCalls()).toEqual([]);
    expect(all).toBe('program 0');
  });

  test('reinstalls only what changed', async () => {
    const { start, readCalls, folder } = completeMachine();
    await start(['program.mjs'], {});
    readCalls();

    appendFileSync(join(folder, 'trainer/requirements.lock'), 'second\n');
    await start(['program.mjs'], {});
    expect(readCalls()).toEqual(['uv pip sync']);

    rmSync(join(folder, 'node_modules'), { recursive: true });
    await start(['program.mjs'], {});
    expect(readCalls()).toEqual(['npm ci']);

    rmSync(join(folder, '.everswin/tools/uv'), { recursive: true });
    await start(['program.mjs'], {});
    expect(readCalls()).toEqual(['pip install']);
  });

  test('recreates an environment that was moved, because its scripts name the old folder', async () => {
    const { start, readCalls, folder } = completeMachine();
    const [here, elsewhere] = [join(folder, '.everswin/tools/trainer-env'), join(folder, 'moved')];
    await start(['program.mjs'], {});
    renameSync(here, elsewhere);
    const activate = join(elsewhere, 'bin/activate');
    writeFileSync(activate, readFileSync(activate, 'utf8').replace(here, '/another/place'));
    rmSync(join(elsewhere, '.everswin-stamp'));
    renameSync(elsewhere, here);
    readCalls();
    await start(['program.mjs'], {});
    expect(readCalls()).toEqual(['uv venv', 'uv pip sync']);
  });

  test("skips a version manager's placeholder for a Python that runs", async () => {
    const { start } = cloneOn('npm', 'python3.12=refusing-python', 'python3.13=python3', 'python3', 'uv');
    expect(await start(['program.mjs'], { FAKE_PYTHON: '3.13' })).toMatchObject({ exitCode: 0 });
  });

  test('uses the package index of pip for uv', async () => {
    const { start, folder } = completeMachine();
    await start(['program.mjs'], { FAKE_PIP_CONFIG: "global.index-url='https://mirror.example/simple'" });
    const log = readFileSync(join(folder, '.everswin/logs/setup.log'), 'utf8');
    expect(log).toContain('index: https://mirror.example/simple');
  });
});

describe('setup on a machine with another Node than the pinned one', () => {
  const node20 = { FAKE_NODE_VERSION: '20.11.0' };

  test('installs the pinned Node once and runs the program and its children with it', async () => {
    const { start, readCalls, folder } = completeMachine();
    const { exitCode, stdout, stderr } = await start(['program.mjs', 'node'], node20);
    const node = join(folder, '.everswin/tools/node/node_modules/.bin/node');
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: `${node} first on PATH` });
    expect(readCalls()).toEqual(['npm ci node', ...everything]);
    expect(stderr).toMatch(/^\[1\/4\] Installing Node 24, .*… done in \d+ s$/m);
    expect(readFileSync(join(folder, '.everswin/logs/setup.log'), 'utf8')).toContain(`$ ${node} --version`);

    expect(await start(['program.mjs', '0'], node20)).toMatchObject({ all: 'program 0' });
    expect(readCalls()).toEqual([]);
  });

  test('uses the Node that EVERSWIN_NODE names', async () => {
    const { start, readCalls } = completeMachine();
    const { stdout } = await start(['program.mjs', 'node'], { ...node20, EVERSWIN_NODE: process.execPath });
    expect(stdout).toBe(`${process.execPath} first on PATH`);
    expect(readCalls()).toEqual(everything);
  });
});

describe('setup names what the machine lacks and how to fix it', () => {
  const next = 'then run the same command again.';

  test.each([
    {
      name: 'no Python',
      programs: ['npm'],
      env: {},
      message: `everswin needs Python 3.10 to 3.13 with pip, but no Python is on PATH. Next: \`sudo apt-get install -y python3 python3-pip\`, ${next}`,
    },
    {
      name: 'an old Python',
      programs: ['npm', 'python3'],
      env: { FAKE_PYTHON: '3.9' },
      message:
        /^everswin needs Python 3.10 to 3.13 with pip, but found only Python 3.9 \(.*\/python3\). Next: install .*\.$/,
    },
    {
      name: 'a Python that is too new',
      programs: ['npm', 'python3'],
      env: { FAKE_PYTHON: '3.14' },
      message:
        /^everswin needs Python 3.10 to 3.13 with pip, but found only Python 3.14 \(.*\/python3\). Next: install .*\.$/,
    },
    {
      name: 'no pip',
      programs: ['npm', 'python3'],
      env: { FAKE_HAS_PIP: 'False' },
      message:
        /^everswin needs pip, but Python 3.11 \(.*\) has none. Next: `sudo apt-get install -y python3-pip`, .*\.$/,
    },
    {
      name: 'an old Node',
      programs: ['npm', 'python3'],
      env: { FAKE_NODE_VERSION: '18.19.0' },
      message: /^everswin needs Node 20.11 or newer, but this is Node 18.19.0. Next: install Node 24 .*\.$/,
    },
    {
      name: 'a machine for which no Node is pinned',
      programs: ['npm', 'python3'],
      env: { FAKE_NODE_VERSION: '22.1.0', FAKE_ARCH: 's390x' },
      message:
        /^everswin installs Node 24 on Linux x64 and arm64 only, but this machine is linux-s390x. Next: install Node 24 .*\.$/,
    },
    {
      name: 'an EVERSWIN_NODE that is too old',
      programs: ['npm', 'python3', 'node=node-20'],
      env: { EVERSWIN_NODE: 'node' },
      message:
        /^EVERSWIN_NODE is node, but this is Node 20.20.2, and everswin needs 22.18 or newer. Next: set it .*\.$/,
    },
    {
      name: 'an EVERSWIN_NODE that does not exist',
      programs: ['npm', 'python3'],
      env: { EVERSWIN_NODE: '/missing/node' },
      message: /^EVERSWIN_NODE is \/missing\/node, but this is not a Node that runs here. Next: set it .*\.$/,
    },
    {
      name: 'a small disk',
      programs: ['npm', 'python3'],
      env: preload('small-disk.mjs'),
      message: /^Setup needs 9.1 GB in .*\/project, but only 2.0 GB are free. Next: free some space, .*\.$/,
    },
  ])('$name', async ({ programs, env, message }) => {
    const { start, readCalls } = cloneOn(...programs);
    const { exitCode, all } = await start(['program.mjs'], env);
    expect(all).toMatch(message);
    expect(exitCode).toBe(1);
    expect(readCalls()).toEqual([]);
  });

  test('no npm', async () => {
    const { exitCode, stderr } = await cloneOn('python3').start(['program.mjs'], {});
    expect(stderr.split('\n').at(-1)).toBe(
      'Setup failed at the npm packages: npm is not installed. Next: `sudo apt-get install -y npm`, then run the same command again. (Full output: .everswin/logs/setup.log)',
    );
    expect(exitCode).toBe(1);
  });
});

describe('setup names step, cause and remedy when a tool fails', () => {
  const place = { npm: 'the npm packages', pip: 'uv', uv: "the trainer's Python environment" };
  const unreachable = 'the package index cannot be reached';
  const full = 'the disk is full';
  const changed = 'a downloaded file does not match its hash in the lock file';

  test.each([
    { tool: 'npm', output: 'npm error code EAI_AGAIN\nnpm error request to https://x/zod failed', why: unreachable },
    { tool: 'pip', output: 'Failed to establish a new connection: [Errno -3] Temporary failure', why: unreachable },
    { tool: 'uv', output: 'error: Failed to fetch\n  cause: error sending request for url', why: unreachable },
    { tool: 'npm', output: 'npm warn tar TAR_ENTRY_ERROR ENOSPC: no space left on device, write', why: full },
    { tool: 'pip', output: 'ERROR: Could not install packages: [Errno 28] No space left on device', why: full },
    {
      tool: 'uv',
      output: 'error: Failed to install: torch\n  cause: No space left on device (os error 28)',
      why: full,
    },
    { tool: 'npm', output: 'npm error code EINTEGRITY', why: changed },
    { tool: 'pip', output: 'ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.', why: changed },
    { tool: 'uv', output: '  × Failed to download `six`\n  ╰─▶ Hash mismatch for `six==1.17.0`', why: changed },
    {
      tool: 'uv',
      output: "error: command '/usr/bin/x86_64-linux-gnu-gcc' failed: No such file or directory",
      why: 'a package must be compiled, and the compiler or the Python headers are missing',
    },
    {
      tool: 'uv',
      output: 'cause: invalid peer certificate: UnknownIssuer',
      why: 'this machine does not trust the certificate of the package index',
    },
    { tool: 'npm', output: 'npm error code EACCES\nnpm error syscall mkdir', why: 'a folder is not writable' },
    {
      tool: 'npm',
      output: 'npm error code EUSAGE\nnpm error\nnpm error The lock file is out of date.\nnpm error A log is there',
      why: 'npm reported "The lock file is out of date"',
    },
  ] as const)('$tool: $output', async ({ tool, output, why }) => {
    const { start } = completeMachine();
    const { exitCode, stderr } = await start(['program.mjs'], { FAKE_FAILING: tool, FAKE_OUTPUT: output });
    const sentence = stderr.split('\n').at(-1) ?? '';
    expect(sentence.startsWith(`Setup failed at ${place[tool]}: ${why}. Next: `)).toBe(true);
    expect(sentence.endsWith('. (Full output: .everswin/logs/setup.log)')).toBe(true);
    expect(exitCode).toBe(1);
  });

  test('resumes after the last finished step', async () => {
    const { start, readCalls } = completeMachine();
    await start(['program.mjs'], { FAKE_FAILING: 'uv', FAKE_OUTPUT: 'error: dns error' });
    readCalls();
    expect(await start(['program.mjs'], {})).toMatchObject({ exitCode: 0 });
    expect(readCalls()).toEqual(['uv pip sync']);
  });
});

describe('setup that is interrupted or started twice', () => {
  test('waits for another setup in the same folder and installs nothing twice', async () => {
    const { start, readCalls, folder } = completeMachine();
    const first = start(['program.mjs'], { FAKE_NPM_SECONDS: '3' });
    await until(() => existsSync(join(folder, 'npm.pid')));
    const second = await start(['program.mjs', '0'], {});
    expect(second.stderr).toContain(`Waiting for another setup in this folder (process ${first.pid})`);
    expect(second.stdout).toBe('program 0');
    expect(await first).toMatchObject({ exitCode: 0 });
    expect(readCalls()).toEqual(everything);
  });

  test('kills the tool that a killed setup left running, and installs again', async () => {
    const { start, readCalls, folder } = completeMachine();
    const killed = start(['program.mjs'], { FAKE_NPM_SECONDS: '60' });
    await until(() => existsSync(join(folder, 'npm.pid')) && readFileSync(join(folder, 'npm.pid'), 'utf8') !== '');
    const orphan = Number(readFileSync(join(folder, 'npm.pid'), 'utf8'));
    // The setup records the tool in its lock shortly after the tool has started.
    await until(() => readFileSync(join(folder, '.everswin/setup.lock'), 'utf8').includes(`"pid":${orphan}`));
    killed.kill('SIGKILL');
    await killed;
    expect(isRunning(orphan)).toBe(true);
    readCalls();

    expect(await start(['program.mjs'], {})).toMatchObject({ exitCode: 0 });
    expect(isRunning(orphan)).toBe(false);
    expect(readCalls()).toEqual(everything);
  });

  test('stops the tool on Ctrl-C and prints how to resume', async () => {
    const { start, folder } = completeMachine();
    const interrupted = start(['program.mjs'], { FAKE_NPM_SECONDS: '60' });
    await until(() => existsSync(join(folder, 'npm.pid')) && readFileSync(join(folder, 'npm.pid'), 'utf8') !== '');
    interrupted.kill('SIGINT');
    const { signal, stderr } = await interrupted;
    expect(signal).toBe('SIGINT');
    expect(stderr).toContain('Setup was interrupted. Next: run the same command again;');
    expect(isRunning(Number(readFileSync(join(folder, 'npm.pid'), 'utf8')))).toBe(false);
    expect(await start(['program.mjs'], {})).toMatchObject({ exitCode: 0 });
  });

  test('ignores a lock file that a power failure left empty', async () => {
    const { start, folder } = completeMachine();
    await start(['program.mjs'], {});
    rmSync(join(folder, 'node_modules'), { recursive: true });
    writeFileSync(join(folder, '.everswin/setup.lock'), '');
    expect(await start(['program.mjs'], {})).toMatchObject({ exitCode: 0 });
  });

  test('forwards Ctrl-C to the program once and waits for its exit', async () => {
    const { start } = completeMachine();
    await start(['program.mjs'], {});
    const running = start(['program.mjs', 'wait'], {});
    let received = '';
    running.stdout.on('data', (chunk) => (received += String(chunk)));
    await until(() => received.includes('ready'));
    running.kill('SIGINT');
    running.kill('SIGINT');
    await sleep(50);
    running.kill('SIGTERM');
    const { exitCode, stdout } = await running;
    expect({ exitCode, stdout }).toEqual({ exitCode: 3, stdout: 'ready\nSIGINT 1' });
  });
});
