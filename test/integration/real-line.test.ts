/** The whole line as a user has it: real stack, real HTTP, real MMDetection, two epochs, and a rank killed in the second. */
import { mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readProgress } from '../../activities/lib/course/progress-reader.ts';
import { homeFolders, runFolder } from '../../configs/paths.ts';
import { Report, RunInput } from '../../configs/schema.ts';
import { connect } from '../../infra/connect.ts';
import { followRun, readStatus } from '../../infra/follow-run.ts';
import { startStack, type RunningStack } from '../../infra/stack/start-stack.ts';
import { startRun } from '../../infra/start-run.ts';
import { projectHome, projectRoot } from '../helpers/project.ts';
import { until } from '../helpers/until.ts';

let home: string;
let stack: RunningStack;
const said: string[] = [];

beforeAll(async () => {
  home = await mkdtemp(`${tmpdir()}/everswin-line-`);
  await symlink(`${projectHome}/tools`, `${home}/tools`);
  stack = await startStack({ home, device: 'cpu', withObjectStore: false, say: (line) => said.push(line) });
});
afterAll(async () => {
  await stack.stop();
  await rm(home, { recursive: true, force: true });
});

test('a run whose rank is killed ends with its report, resumed from the checkpoint, every step accounted for', async () => {
  const client = await connect(stack.file().address);
  const demo = RunInput.parse(JSON.parse(await readFile(`${projectRoot}/configs/runs/demo.json`, 'utf8')));
  const { handle } = await startRun(client, { ...demo, name: 'line', epochs: 2 });
  const result = followRun(handle, (line) => said.push(line));
  const progress = await until(async () => {
    const now = (await readStatus(handle))?.progress;
    return now?.pid != null && now.epoch === 2 && now.lastCheckpoint !== null ? now : undefined;
  });
  process.kill(progress.pid ?? 0, 'SIGKILL');

  const { uri, bbox, segm } = await result;
  expect(bbox.AP).toBeGreaterThan(0);
  expect(segm.AP).toBeGreaterThan(0);
  const page = await readFile(fileURLToPath(uri), 'utf8');
  expect(page).toContain('SIGKILL');
  const report = Report.parse(
    JSON.parse(await readFile(fileURLToPath(uri).replace('index.html', 'report.json'), 'utf8')),
  );
  expect(report.attempts.map(({ ending }) => ending)).toEqual(['crashed', 'finished']);
  expect(report.attempts[1]).toMatchObject({ resumedFrom: 'e001-i000046.pth', fromIteration: 46, toIteration: 92 });
  expect(report.stepsRepeated).toBeGreaterThanOrEqual(0);
  expect(report.metrics.images).toBe(24);
  const steps = (await readProgress(runFolder(home, 'line').train.progress)).flatMap((event) =>
    event.type === 'step' ? [event.iteration] : [],
  );
  expect(new Set(steps).size).toBe(92);
  expect(await readFile(homeFolders(home).logs + '/gpu-worker.log', 'utf8')).not.toContain('error');
  await client.connection.close();
}, 400_000);
