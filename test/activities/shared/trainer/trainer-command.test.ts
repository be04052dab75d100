import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { execa } from 'execa';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { processStartTicks } from '../../../../activities/shared/trainer/process-identity.ts';
import { listDescendants } from '../../../../activities/shared/trainer/process-descendants.ts';
import { runTrainerCommand } from '../../../../activities/shared/trainer/trainer-command.ts';
import { python } from '../../../helpers/project.ts';
import { until } from '../../../helpers/until.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(`${tmpdir()}/everswin-command-`);
});
afterEach(() => rm(folder, { recursive: true }));

test('a command of the trainer ends with its worker, even after kill -9', async () => {
  // Reading a FIFO without a writer takes forever.
  await execa('mkfifo', [`${folder}/spec.json`]);
  const worker = execa(process.execPath, [`${import.meta.dirname}/../../../fixtures/command-child.ts`, python, folder], {
    reject: false,
  });
  const pid = await until(async () => {
    const [child] = await listDescendants(worker.pid ?? 0);
    const starts = child === undefined ? '' : await readCommandLine(child);
    return starts.includes('prepare-dataset') ? child : undefined;
  });
  worker.kill('SIGKILL');
  await worker;
  await until(async () => ((await processStartTicks(pid)) === undefined ? true : undefined));
  expect(await readdir(folder)).toEqual(['spec.json']);
});

test('a command of the trainer runs although TMPDIR was removed after the start of the worker', async () => {
  vi.stubEnv('TMPDIR', `${folder}/gone`);
  const { signal } = new AbortController();
  const running = runTrainerCommand({ python: { executable: 'true', env: {} }, argv: [], output: z.object({}), signal });
  await expect(running).rejects.toThrow('wrote output that does not match its schema');
  vi.unstubAllEnvs();
});

const readCommandLine = (pid: number) =>
  execa('cat', [`/proc/${pid}/cmdline`], { reject: false }).then(({ stdout }) => stdout);
