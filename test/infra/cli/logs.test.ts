import { appendFile, mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runFolder, type RunFolder } from '../../../configs/paths.ts';
import { projectRoot } from '../../helpers/project.ts';
import { until } from '../../helpers/until.ts';

let home: string;
let run: RunFolder;
beforeAll(async () => {
  home = await mkdtemp(`${tmpdir()}/everswin-logs-`);
  run = runFolder(home, 'demo');
  await mkdir(run.train.rankLogs, { recursive: true });
  await mkdir(run.test.dir);
  await mkdir(runFolder(home, 'planned').root);
  await writeFile(run.train.log, 'one\ntwo\n\u001B[31m three\u0007\tend\n');
  await writeFile(`${run.train.rankLogs}/9-rank-1.log`, 'of attempt 9\n');
  await utimes(`${run.train.rankLogs}/9-rank-1.log`, 1, 1);
  await writeFile(`${run.train.rankLogs}/10-rank-1.log`, 'of attempt 10\n');
});
afterAll(() => rm(home, { recursive: true }));

const start = (...argv: string[]) =>
  execa(process.execPath, [`${projectRoot}/infra/cli/main.ts`, 'logs', ...argv], {
    env: { EVERSWIN_HOME: home },
    reject: false,
    forceKillAfterDelay: false,
  });

test('logs prints the last lines of a run without control characters', async () => {
  const { stdout, stderr } = await start('demo', '--lines', '2');
  expect(stdout).toBe('two\n[31m three\tend');
  expect(stderr).toContain(run.train.log);
});

test('logs prints the newest log of another rank', async () => {
  expect((await start('demo', '--rank', '1')).stdout).toBe('of attempt 10');
});

test.each([
  [['demo', '--rank', '7'], 'Run demo has no log of rank 7. Ranks with a log here: 0, 1.'],
  [['planned'], 'its training has not started on this machine'],
  [['dem'], 'There is no run "dem": did you mean "demo"?'],
  [['../runs/demo'], 'There is no run "../runs/demo"'],
])('logs %j exits with 2 and says why', async (argv, message) => {
  const { exitCode, stderr } = await start(...argv);
  expect([exitCode, stderr]).toEqual([2, expect.stringContaining(message)]);
});

test('logs --follow prints new lines of the training and then of the test until SIGINT', async () => {
  const following = start('demo', '--lines', '1', '--follow');
  let text = '';
  following.stdout.on('data', (chunk) => (text += String(chunk)));
  const printed = (line: string) => until(() => (text.includes(line) ? true : undefined));
  await printed('three');
  await appendFile(run.train.log, 'four\n');
  await printed('four');
  await writeFile(run.test.log, 'testing\n');
  await printed('testing');
  await appendFile(run.test.log, 'tested\n');
  await printed('tested');
  following.kill('SIGINT');
  expect((await following).exitCode).toBe(130);
});
