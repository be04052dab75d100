/** A cancellation in each phase of a real supervisor: no process is left, and the run can be started again. */
import { existsSync, readdirSync } from 'node:fs';
import { execa } from 'execa';
import { expect, test } from 'vitest';
import { createGpuActivities } from '../../../activities/index.ts';
import { createRecordCancellation } from '../../../activities/pages/runs/record-end.ts';
import { createRunIndex } from '../../../activities/pages/runs/run-index.ts';
import { readProgress } from '../../../activities/shared/run/progress-reader.ts';
import { findLiveJob } from '../../../activities/shared/trainer/trainer-process.ts';
import { runFolder, type RunFolder } from '../../../configs/paths.ts';
import { RunStatus, type TrainerEvent } from '../../../configs/schema/index.ts';
import { startRun } from '../../../infra/client/start-run.ts';
import { createMiniRun, miniPlan } from '../../helpers/mini-run.ts';
import { until } from '../../helpers/until.ts';
import { freshInput, withWorkers } from '../../helpers/workflow-env.ts';

const wrote = async ({ train }: RunFolder, type: TrainerEvent['type']) =>
  (await readProgress(train.progress)).some((event) => event.type === type);

const isSaving = ({ train }: RunFolder) =>
  existsSync(train.checkpoints) && readdirSync(train.checkpoints).some((name) => name.endsWith('.part'));

const phases: [string, (folder: RunFolder) => boolean | Promise<boolean>][] = [
  ['start of the trainer', ({ train }) => existsSync(train.owner)],
  ['first step', (folder) => wrote(folder, 'step')],
  ['save', isSaving],
  ['validation', (folder) => wrote(folder, 'checkpoint')],
  ['start of the test', ({ test }) => existsSync(test.owner)],
  ['test', async ({ test }) => (await readProgress(test.progress)).some(({ type }) => type === 'started')],
];

test('a cancellation in each phase of a trainer leaves no process, and the run finishes when started again', async () => {
  const switches = ['--steps-per-epoch', '3', '--step-seconds', '0.2', '--save-seconds', '0.5'];
  const run = await createMiniRun(...switches, '--validation-seconds', '1');
  const { dependencies } = run;
  const { train, test: plainTest, module } = dependencies.programs;
  const programs = {
    module,
    train,
    test: (...argv: Parameters<typeof plainTest>) => [...plainTest(...argv), '--seconds', '2'],
  };
  const activities = {
    ...createGpuActivities({ ...dependencies, programs }),
    checkMachine: () => Promise.resolve([]), // importing torch would take seconds
    recordCancellation: createRecordCancellation(dependencies),
    resolvePlan: (input: typeof miniPlan.input) => Promise.resolve({ ...miniPlan, runId: input.name, epochs: 1 }),
  };
  const listRuns = createRunIndex(dependencies.home);
  try {
    await withWorkers(activities, async (client) => {
      let last = freshInput();
      for (const [phase, isReached] of phases) {
        const input = freshInput();
        const folder = runFolder(dependencies.home, input.name);
        const { handle } = await startRun(client, input);
        await until(async () => ((await isReached(folder)) ? true : undefined));
        await handle.cancel();
        await expect(handle.result(), phase).rejects.toMatchObject({ cause: { name: 'CancelledFailure' } });
        expect(RunStatus.parse(await handle.query('status')).stage, phase).toBe('cancelled');
        expect((await listRuns()).find(({ runId }) => runId === input.name)?.stage, phase).toBe('cancelled');
        for (const job of [folder.train, folder.test]) expect(await findLiveJob(job), phase).toBeUndefined();
        const { stdout } = await execa('pgrep', ['-fc', '--', folder.root], { reject: false });
        expect(stdout, phase).toBe('0');
        last = input;
      }
      // The test of the last phase resumes from the newest checkpoint and repeats nothing of the training.
      await (await startRun(client, last)).handle.result();
    });
  } finally {
    await run.remove();
  }
});
