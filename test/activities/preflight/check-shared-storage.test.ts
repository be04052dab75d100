import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createCheckSharedStorage } from '../../../activities/preflight/check-shared-storage.ts';
import type { Check } from '../../../configs/schema/index.ts';
import { mockEnvironment } from '../../helpers/mock-environment.ts';
import { createMiniRun, type MiniRun } from '../../helpers/mini-run.ts';

let run: MiniRun;
let elsewhere: string;
beforeEach(async () => {
  run = await createMiniRun();
  elsewhere = await mkdtemp(`${tmpdir()}/everswin-elsewhere-`);
});
afterEach(async () => {
  await run.remove();
  await rm(elsewhere, { recursive: true, force: true });
});

const look = (home: string, host: string, expected: string[]): Promise<Check> => {
  const checkSharedStorage = createCheckSharedStorage({ ...run.dependencies, home }, 600);
  return mockEnvironment().run(checkSharedStorage, { runId: 'mini', host, expected });
};

test('hosts that share a folder find each other’s marks there', async () => {
  const { home } = run.dependencies;
  for (const host of ['gpu-a', 'gpu-b']) await look(home, host, []);
  expect(await look(home, 'gpu-b', ['gpu-a', 'gpu-b'])).toMatchObject({ verdict: 'ok' });
});

test('a host with a folder of its own says whom it does not see, and what to do', async () => {
  await look(run.dependencies.home, 'gpu-a', []);
  await look(elsewhere, 'gpu-b', []);
  const { verdict, message: says, remedy: next } = await look(elsewhere, 'gpu-b', ['gpu-a', 'gpu-b']);
  expect(verdict).toBe('error');
  expect(says).toBe(`${elsewhere} does not show what gpu-a wrote: it is not one folder for all hosts`);
  expect(next).toContain('EVERSWIN_HOME');
});
