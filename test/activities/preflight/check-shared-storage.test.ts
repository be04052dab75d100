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

const check = (home: string, host: string, expected: string[]): Promise<Check> => {
  const checkSharedStorage = createCheckSharedStorage({ ...run.dependencies, home }, 600);
  return mockEnvironment().run(checkSharedStorage, { runId: 'mini', host, expected });
};

test('checkSharedStorage passes when all hosts share a folder', async () => {
  const { home } = run.dependencies;
  for (const host of ['gpu-a', 'gpu-b']) await check(home, host, []);
  expect(await check(home, 'gpu-b', ['gpu-a', 'gpu-b'])).toMatchObject({ verdict: 'ok' });
});

test('checkSharedStorage names the missing host and a remedy when a host has a separate folder', async () => {
  await check(run.dependencies.home, 'gpu-a', []);
  await check(elsewhere, 'gpu-b', []);
  const { verdict, message, remedy } = await check(elsewhere, 'gpu-b', ['gpu-a', 'gpu-b']);
  expect(verdict).toBe('error');
  expect(message).toBe(`${elsewhere} is not shared by all hosts: the marker of gpu-a is missing`);
  expect(remedy).toContain('EVERSWIN_HOME');
});
