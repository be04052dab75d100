/**
 * Measures the time from the end of a training that holds all GPUs to the `started` event of the waiting one:
 * `node test/bench/gpu-handover.ts [--repeats 20]`. Uses real supervisors, locks and activities with the fake trainer.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { parseArgs } from 'node:util';
import { createGpuActivities } from '../../activities/index.ts';
import { listDescendants } from '../../activities/shared/trainer/process-descendants.ts';
import { readProgress } from '../../activities/shared/run/progress-reader.ts';
import { TrainerExit } from '../../configs/schema/index.ts';
import { findLiveJob } from '../../activities/shared/trainer/trainer-process.ts';
import { createFakeGpus } from '../helpers/fake-gpus.ts';
import { clientOf, mockEnvironment } from '../helpers/mock-environment.ts';
import { createMiniRun, miniControl, miniPlan, type MiniRun } from '../helpers/mini-run.ts';
import { until } from '../helpers/until.ts';
import { killAll } from '../helpers/kill-all.ts';

const { values } = parseArgs({ options: { repeats: { type: 'string', default: '20' } } });

/** Ends the holder and returns the time of its end in Unix seconds. */
const outcomes: Record<string, (holder: MiniRun) => Promise<number>> = {
  'kill -9 of all': async ({ folder }) => {
    const pid = (await findLiveJob(folder.train))?.owner.pid ?? -1;
    killAll([pid, ...(await listDescendants(pid))]);
    return Date.now() / 1000;
  },
  'kill -9 of the supervisor': async ({ folder }) => {
    process.kill((await findLiveJob(folder.train))?.owner.pid ?? -1, 'SIGKILL');
    return Date.now() / 1000;
  },
  finished: async ({ folder }) =>
    (
      await until(async () =>
        readFile(folder.train.exit, 'utf8').then(
          (text) => TrainerExit.parse(JSON.parse(text)),
          () => undefined,
        ),
      )
    ).endedAt,
};

async function handOver(end: (holder: MiniRun) => Promise<number>): Promise<number> {
  const root = await mkdtemp(`${tmpdir()}/everswin-handover-`);
  const gpus = await createFakeGpus(root, 4);
  const runs = [await createMiniRun('--step-seconds', '0.1'), await createMiniRun('--step-seconds', '0.01')] as const;
  const [holder, waiter] = runs;
  let waits = false;
  const start = (run: MiniRun) => {
    const client = clientOf({
      query: () => miniControl,
      signal: (name) => (waits ||= run === waiter && name === 'waiting'),
    });
    const { runTraining } = createGpuActivities(gpus.equip(run.dependencies));
    const request = { plan: { ...miniPlan, gpus: 4 }, attempt: 1, control: miniControl, rollback: null, since: 0 };
    const outcome: Promise<unknown> = mockEnvironment(client).run(runTraining, request);
    return outcome;
  };
  const startOf = (run: MiniRun) =>
    until(async () => (await readProgress(run.folder.train.progress)).find(({ type }) => type === 'started')?.t);
  try {
    const first = start(holder);
    await startOf(holder);
    const second = start(waiter);
    await until(() => Promise.resolve(waits || undefined));
    const endedAt = await end(holder);
    const seconds = (await startOf(waiter)) - endedAt;
    await Promise.all([first, second]);
    return seconds;
  } finally {
    for (const run of runs) await run.remove();
    await rm(root, { recursive: true, force: true });
  }
}

for (const [how, end] of Object.entries(outcomes)) {
  const seconds: number[] = [];
  for (let repeat = 0; repeat < Number(values.repeats); repeat++) seconds.push(await handOver(end));
  seconds.sort((a, b) => a - b);
  const at = (part: number) => seconds[Math.floor((seconds.length - 1) * part)]?.toFixed(2);
  console.log(JSON.stringify({ how, n: seconds.length, p50: at(0.5), p95: at(0.95), max: at(1) }));
}
