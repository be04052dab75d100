/** Each fault must hit the process as described, and leave no trace when it ends. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { projectRoot, python } from '../helpers/project.ts';
import {
  fillDisk,
  freeze,
  makeReadOnly,
  mountSmallDisk,
  shiftClock,
  unmountAll,
  useUpFiles,
  type EndFault,
} from './lasting-faults.ts';
import { readProcess } from './processes.ts';

const isRoot = process.getuid?.() === 0;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(`${tmpdir()}/everswin-faults-`);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A process that answers each line `clock` or `open` with what it sees. */
class Probe {
  readonly child;

  constructor(executable: string, argv: string[], env: Record<string, string> = {}) {
    this.child = spawn(executable, argv, { env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'inherit'] });
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  async ask(line: string): Promise<string> {
    const answered = once(this.child.stdout, 'data');
    this.child.stdin.write(`${line}\n`);
    const [answer] = (await answered) as [Buffer];
    return answer.toString().trim();
  }
}

const inPython = `
import sys, time
for line in sys.stdin:
    try:
        answer = time.time() if line.strip() == "clock" else open("/dev/null").name
    except OSError as error:
        answer = error.errno
    print(answer, flush=True)
`;
const inNode = `
import { closeSync, openSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { shiftClockBy } from '${projectRoot}/test/chaos/shift-clock.ts';
shiftClockBy(process.argv[1]);
const open = () => { try { closeSync(openSync('/dev/null')); return '/dev/null'; } catch (error) { return error.code; } };
for await (const line of createInterface({ input: process.stdin })) console.log(line === 'clock' ? new Date().getTime() / 1000 : open());
`;

describe.each(['node', 'python'] as const)('a %s process', (language) => {
  let probe: Probe;
  const clock = () => `${folder}/clock-trainer`;

  beforeAll(async () => {
    const env = { EVERSWIN_CHAOS_DIR: folder, PYTHONPATH: `${projectRoot}/test/chaos/python` };
    probe =
      language === 'node'
        ? new Probe(process.execPath, ['--input-type=module', '-e', inNode, clock()])
        : new Probe(python, ['-c', inPython], env);
    await probe.ask('clock');
  });
  afterAll(() => probe.child.kill('SIGKILL'));

  async function during(end: EndFault, line: string): Promise<string> {
    const answer = await probe.ask(line);
    await end();
    return answer;
  }

  test.each([-3600, 3600])('sees a clock that is shifted by %i s until the fault ends', async (shift) => {
    const seen = async () => {
      await new Promise((resolve) => setTimeout(resolve, 50));
      return Number(await probe.ask('clock')) - Date.now() / 1000;
    };
    const end = shiftClock(clock(), shift);
    expect(await seen()).toBeCloseTo(shift, 0);
    await end();
    expect(await seen()).toBeCloseTo(0, 0);
  });

  test.each([true, false])('opens no file until the fault ends (starts children: %s)', async (startsChildren) => {
    expect(await probe.ask('open')).toBe('/dev/null');
    expect(await during(await useUpFiles(probe.pid, startsChildren), 'open')).toMatch(/24|EMFILE/);
    expect(await probe.ask('open')).toBe('/dev/null');
  });

  test('stops until the fault ends', async () => {
    const end = freeze([probe]);
    await expect.poll(() => readProcess(probe.pid)?.state, { timeout: 10_000 }).toBe('T');
    await end();
    expect(await probe.ask('open')).toBe('/dev/null');
  });
});

describe.skipIf(!isRoot)('a folder', () => {
  test('refuses new files, and keeps its content, until the fault ends', async () => {
    const run = `${folder}/run`;
    await mkdir(`${folder}/scratch`);
    await mkdir(run);
    await writeFile(`${run}/before`, 'kept');
    const end = await makeReadOnly(run, `${folder}/scratch`);
    await expect(writeFile(`${run}/during`, '')).rejects.toMatchObject({ code: 'EROFS' });
    expect(readFileSync(`${run}/before`, 'utf8')).toBe('kept');
    await end();
    await writeFile(`${run}/after`, '');
    expect(existsSync(`${run}/during`)).toBe(false);
  });

  test('is full until the fault ends', async () => {
    const disk = `${folder}/disk`;
    await mountSmallDisk(disk, 8);
    const end = await fillDisk(`${disk}/full`);
    await expect(writeFile(`${disk}/during`, 'a byte')).rejects.toMatchObject({ code: 'ENOSPC' });
    await end();
    await writeFile(`${disk}/after`, 'a byte');
    await unmountAll(disk, true);
    expect(readFileSync(`${disk}/after`, 'utf8')).toBe('a byte');
  });
});
