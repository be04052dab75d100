/** kill -9 of the worker during the steps after the training: what it leaves, and what the next worker makes of it. */
import { once } from 'node:events';
import { readdir, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createControlActivities, createGpuActivities } from '../../../activities/index.ts';
import { findManifestMismatches } from '../../../activities/report/run-manifest.ts';
import { readJson } from '../../../activities/shared/files/json-file.ts';
import { runFolder } from '../../../configs/paths.ts';
import { Report, RunManifest } from '../../../configs/schema/index.ts';
import { startRun } from '../../../infra/client/start-run.ts';
import { createMiniRun, miniDependencies, miniPlan, type MiniRun } from '../../helpers/mini-run.ts';
import { mockEnvironment } from '../../helpers/mock-environment.ts';
import { until } from '../../helpers/until.ts';
import { freshInput, withWorkers } from '../../helpers/workflow-env.ts';

const steps = ['exportDetector', 'writeReport'] as const;
type Step = (typeof steps)[number];

/** The stubbed plan names weights that nothing fetched, and an invented hash. */
const isOfStub = /is not in the store|plan hash/;

let run: MiniRun;
let runId: string;
const requests: Partial<Record<Step, unknown>> = {};

/** Finishes a run, and keeps the requests of its steps. */
beforeAll(async () => {
  run = await createMiniRun();
  const { exportDetector, ...gpu } = createGpuActivities(run.dependencies);
  const { writeReport } = createControlActivities(run.dependencies);
  const input = freshInput();
  runId = input.name;
  const activities = {
    ...gpu,
    resolvePlan: () => Promise.resolve({ ...miniPlan, runId }),
    checkMachine: () => Promise.resolve([]), // importing torch would take seconds
    exportDetector: (request: Parameters<typeof exportDetector>[0]) => {
      requests.exportDetector = request;
      return exportDetector(request);
    },
    writeReport: (request: Parameters<typeof writeReport>[0]) => {
      requests.writeReport = request;
      return writeReport(request);
    },
  };
  await withWorkers(activities, async (client) => (await startRun(client, input)).handle.result());
});
afterAll(() => run.remove());

/** Starts a step in a process of its own. @returns the seconds that it took, or until it was killed. */
async function runStep(step: Step, killAfterMs?: number): Promise<number> {
  const { home } = run.dependencies;
  await writeFile(`${home}/request.json`, JSON.stringify(requests[step]));
  const argv = [`${import.meta.dirname}/../../fixtures/activity-child.ts`, home, step];
  const child = execa(process.execPath, argv, { reject: false });
  await once(child.stdout, 'data');
  const startedAt = performance.now();
  if (killAfterMs !== undefined) {
    await sleep(killAfterMs);
    child.kill('SIGKILL');
  }
  const { exitCode, stderr } = await child;
  if (killAfterMs === undefined) expect(exitCode, stderr).toBe(0);
  return performance.now() - startedAt;
}

test.each(steps)('%s is complete when it runs again after kill -9 at any moment', async (step) => {
  const { home } = run.dependencies;
  const folder = runFolder(home, runId);
  const activities: Record<string, unknown> = {
    ...createControlActivities(miniDependencies(home)),
    ...createGpuActivities(miniDependencies(home)),
  };
  const runAgain = () =>
    mockEnvironment().run(activities[step] as (request: unknown) => Promise<unknown>, requests[step]);
  const undisturbed = await runStep(step);
  for (const share of [0.2, 0.5, 0.8]) {
    await runStep(step, undisturbed * share);
    // Programs that the worker started end with it.
    await until(async () => {
      const { stdout } = await execa('pgrep', ['-f', '--', home], {
        reject: false,
      });
      return stdout === '' ? true : undefined;
    });
  }
  await runAgain();
  await mockEnvironment().run(
    createControlActivities(miniDependencies(home)).writeReport,
    requests.writeReport as never,
  );
  const manifest = await readJson(folder.manifest, RunManifest);
  const mismatches = manifest && (await findManifestMismatches(home, manifest));
  expect(mismatches?.filter((one) => !isOfStub.test(one))).toEqual([]);
  expect(await readJson(`${folder.report}/report.json`, Report)).toMatchObject({ runId });
  expect((await readdir(folder.detector)).sort()).toEqual(['MODEL_CARD.md', 'model.pth']);
  const left = (await readdir(home, { recursive: true })).filter((path) =>
    /scratch-|\.part$|\.tmp$|\.previous/.test(path),
  );
  expect(left).toEqual([]);
});
