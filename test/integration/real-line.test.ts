/** End-to-end test with the real stack, HTTP and MMDetection: two epochs, with a rank killed in the second. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { compareRuns } from '../../activities/compare/compare-runs.ts';
import { loadRun } from '../../activities/compare/load-run.ts';
import { readJson } from '../../activities/shared/files/json-file.ts';
import { readProgress } from '../../activities/shared/run/progress-reader.ts';
import { renderNavigation } from '../../activities/report/components/navigation.ts';
import { homeFolders, runFolder } from '../../configs/paths.ts';
import { EvalMetrics, Report, type RunInput } from '../../configs/schema/index.ts';
import { stackServer } from '../../infra/client/find-server.ts';
import { connect } from '../../workers/connect.ts';
import { followRun } from '../../infra/client/follow-run.ts';
import { startStack, type RunningStack } from '../../infra/stack/start-stack.ts';
import { startRun } from '../../infra/client/start-run.ts';
import { readRunFile } from '../helpers/preparation.ts';
import { until } from '../helpers/until.ts';

let home: string;
let stack: RunningStack;
const lines: string[] = [];

beforeAll(async () => {
  home = await mkdtemp(`${tmpdir()}/everswin-line-`);
  stack = await startStack({ home, device: 'cpu', withObjectStore: false, log: (line) => lines.push(line) });
});
afterAll(async () => {
  await stack.stop();
  await rm(home, { recursive: true, force: true });
});

test('a run whose rank is killed resumes from its checkpoint and writes its report', async () => {
  const client = await connect(stackServer(stack.file()));
  const demo = await readRunFile('demo');
  const { handle } = await startRun(client, { ...demo, name: 'line', epochs: 2 });
  const result = followRun(handle, (line) => lines.push(line));
  // Reads the trainer's own file: the status that the workflow shows lags behind on a busy machine.
  const rank = await until(async () => {
    const events = await readProgress(runFolder(home, 'line').train.progress);
    const [pid] = events.flatMap((event) => (event.type === 'started' ? event.pids : []));
    const isSaved = events.some((event) => event.type === 'checkpoint' && event.iteration === 46);
    const isInSecondEpoch = events.some((event) => event.type === 'step' && event.iteration > 46);
    return isSaved && isInSecondEpoch ? pid : undefined;
  });
  process.kill(rank, 'SIGKILL');

  const { uri, bbox, segm } = await result;
  expect(bbox.AP).toBeGreaterThan(0);
  expect(segm.AP).toBeGreaterThan(0);
  const page = await readFile(fileURLToPath(uri), 'utf8');
  expect(page).toContain('SIGKILL');
  expect(page).toContain('The first 8 images of the training (steps 1 to 4, seed');
  const report = Report.parse(
    JSON.parse(await readFile(fileURLToPath(uri).replace('index.html', 'report.json'), 'utf8')),
  );
  expect(report.attempts.map(({ outcome }) => outcome)).toEqual(['crashed', 'finished']);
  expect(report.attempts[1]).toMatchObject({ resumedFrom: 'e001-i000046.pth', fromIteration: 46, toIteration: 92 });
  expect(report.stepsRepeated).toBeGreaterThanOrEqual(0);
  expect(report.metrics.images).toBe(24);
  const steps = (await readProgress(runFolder(home, 'line').train.progress)).flatMap((event) =>
    event.type === 'step' ? [event.iteration] : [],
  );
  expect(new Set(steps).size).toBe(92);
  const served = await (await fetch(report.plan.page ?? '')).text();
  expect(served.replace(String(renderNavigation()), '')).toBe(page);
  expect(await readdir(`${runFolder(home, 'line').train.dir}/tensorboard`)).toHaveLength(2);
  expect(await readFile(homeFolders(home).logs + '/gpu-worker.log', 'utf8')).not.toContain('error');
  await client.connection.close();
}, 400_000);

test('an evaluation of the trained weights reproduces the metrics', async () => {
  const trained = await readJson(runFolder(home, 'line').metrics, EvalMetrics);
  const best = `${runFolder(home, 'line').train.checkpoints}/${trained?.checkpoint}`;
  const demo = await readRunFile('demo');
  const source = { file: 'trained.pth', urls: [pathToFileURL(best).href], bytes: null, sha256: null };
  const input: RunInput = {
    ...demo,
    name: 'line',
    weights: { detector: 'trained' },
    catalog: { datasets: {}, weights: { trained: { title: 'What the demo trained', source } } },
  };
  const client = await connect(stackServer(stack.file()));
  const { handle } = await startRun(client, input, { evaluate: true });
  const { bbox, segm } = await followRun(handle, (line) => lines.push(line));
  expect({ bbox, segm }).toEqual({ bbox: trained?.bbox, segm: trained?.segm });
  const { root, report } = runFolder(home, 'line.evaluation');
  expect(await readdir(root)).not.toContain('train');
  const page = await readFile(`${report}/index.html`, 'utf8');
  expect(page).toContain('evaluation only, no training');

  const both = await Promise.all(['line', 'line.evaluation'].map((name) => loadRun(runFolder(home, name).report)));
  const { plan, metrics } = compareRuns(both, 0);
  expect(plan.map(({ field }) => field)).toEqual(expect.arrayContaining(['epochs', 'weights.detector.id']));
  expect(metrics[0]?.differences[0]).toEqual({ by: 0, interval: [0, 0] });
  await client.connection.close();
});
