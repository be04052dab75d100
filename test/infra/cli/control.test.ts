/** Tests the commands that control a run, with a real server and the fake trainer. */
import { Context } from '@temporalio/activity';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { createGpuActivities } from '../../../activities/index.ts';
import { CodedError } from '../../../activities/shared/errors/coded-error.ts';
import { toFailure } from '../../../activities/shared/temporal/failure.ts';
import { readProgress } from '../../../activities/shared/run/progress-reader.ts';
import { errorCatalogue } from '../../../configs/errors.ts';
import { retrainId, taskQueues, workflowId, workflowTypes } from '../../../configs/names.ts';
import { RetrainStatus } from '../../../configs/schema/index.ts';
import { createProgram } from '../../../infra/cli/program.ts';
import { connect } from '../../../workers/connect.ts';
import { queryRun, queryRunStatus } from '../../../infra/client/follow-run.ts';
import { startRun } from '../../../infra/client/start-run.ts';
import { formatError } from '../../../infra/terminal/format-error.ts';
import { createMiniRun, miniPlan, type MiniRun } from '../../helpers/mini-run.ts';
import { projectRoot } from '../../helpers/project.ts';
import { createRetrainStubs, freshRetrainInput } from '../../helpers/retrain-stubs.ts';
import { anAttempt } from '../../helpers/stub-activities.ts';
import { temporalAddress } from '../../helpers/temporal-address.ts';
import { until } from '../../helpers/until.ts';
import { freshInput, withControlWorker, withWorkers } from '../../helpers/workflow-env.ts';

const address = temporalAddress();
const printed: string[] = [];

beforeAll(async () => {
  await withControlWorker({}, () => Promise.resolve()); // the first worker terminates workflows of earlier files
  process.setMaxListeners(50); // every command listens for signals until its process ends
  vi.spyOn(console, 'log').mockImplementation((line: string) => void printed.push(line));
  vi.spyOn(console, 'error').mockImplementation(() => undefined);
});
afterAll(() => vi.restoreAllMocks());

const parse = (...args: string[]) => createProgram().parseAsync([...args, '--address', address], { from: 'user' });

/** Runs a command line. Returns what it prints, or its error. */
async function everswin(...args: string[]): Promise<string> {
  printed.length = 0;
  try {
    await parse(...args);
    return printed.join('\n');
  } catch (error) {
    return `error: ${formatError(error)}`;
  }
}

async function untilStep({ folder }: MiniRun, iteration: number): Promise<void> {
  await until(async () =>
    (await readProgress(folder.train.progress)).some((event) => event.type === 'step' && event.iteration >= iteration)
      ? true
      : undefined,
  );
}

test('commands control a training, and refuse what does not apply to it', async () => {
  const run = await createMiniRun('--step-seconds', '0.4');
  const activities = { ...createGpuActivities(run.dependencies), resolvePlan: () => Promise.resolve(miniPlan) };
  try {
    await withWorkers(activities, async (client) => {
      const input = freshInput();
      const { name } = input;
      const { handle } = await startRun(client, input);
      await untilStep(run, 2);

      expect(await everswin('resume', name.toUpperCase())).toBe(
        `error: Run ${name.toUpperCase()} does not exist. Did you mean ${name}? List the runs: everswin status`,
      );
      expect(await everswin('resume', name)).toBe(`error: ${name} is not paused. Status: everswin status ${name}`);
      expect(await everswin('checkpoint', name)).toMatch(/^Checkpoint of iteration \d+ written: e\d+-i\d+\.pth$/);
      expect(await everswin('stop-after', name, '9')).toBe(
        `error: ${name} already ends after epoch 3. To train longer: everswin extend ${name} 9`,
      );
      expect(await everswin('extend', name, '2')).toBe(
        `error: ${name} already trains to epoch 3. To end earlier: everswin stop-after ${name} 2`,
      );
      expect(await everswin('extend', name, '5')).toBe('Trains to epoch 5; epochs 4 to 5 use the final learning rate.');
      expect(await everswin('stop-after', name, '4')).toBe('Ends after epoch 4; test and report follow.');

      expect(await everswin('pause', name)).toMatch(
        new RegExp(
          `^Paused ${name} at iteration \\d+ in \\d+\\.\\d s; the GPUs are free\\. Resume: everswin resume ${name} --address`,
        ),
      );
      expect(await everswin('pause', name)).toBe(`error: ${name} is paused. Resume: everswin resume ${name}`);
      expect(await everswin('resume', name)).toMatch(
        new RegExp(`^Resumed ${name}; it continues from iteration \\d+ as soon as its GPUs are free\\.$`),
      );
      await until(async () => ((await queryRunStatus(handle))?.progress?.epoch === 2 ? true : undefined));
      expect(await everswin('stop-after', name, '1')).toBe(
        `error: Epoch 1 is over: ${name} trains epoch 2. To end at once: everswin cancel ${name} --address ${address}`,
      );

      const [cancelled = '', decision] = (await everswin('cancel', workflowId(name))).split('\n');
      expect(cancelled).toMatch(
        new RegExp(`^Cancelled ${name}: checkpoint of iteration \\d+ is safe\\. Continue: everswin start FILE$`),
      );
      expect(decision).toMatch(/^Last decision: cancelled; stopped in .* no trainer process is running\.$/);
      for (const action of ['cancel', 'pause'])
        expect(await everswin(action, name)).toMatch(new RegExp(`^error: ${name} has already ended: cancelled at `));
    });
  } finally {
    await run.remove();
  }
});

test('status shows an activity that was paused in Temporal, and resume continues it', async () => {
  const runTraining = async ({ attempt }: { attempt: number }) => {
    const { cancelled, heartbeat, info } = Context.current();
    if (info.attempt > 1) return anAttempt({ attempt });
    const timer = setInterval(() => heartbeat(), 100);
    return cancelled.finally(() => clearInterval(timer));
  };
  await withWorkers({ runTraining }, async (client) => {
    const input = freshInput();
    const { name } = input;
    const { handle } = await startRun(client, input);
    const findActivity = async () =>
      (await handle.describe()).raw.pendingActivities?.find((one) => one.activityType?.name === 'runTraining');
    const { activityId: id } = await until(async () => {
      const activity = await findActivity();
      return activity?.lastHeartbeatTime == null ? undefined : activity;
    });
    const execution = { workflowId: handle.workflowId };
    const pause = { namespace: 'default', execution, id, identity: 'kim', reason: 'the GPU is needed' };
    await client.workflowService.pauseActivity(pause);
    const paused = `Paused in Temporal: runTraining by kim (the GPU is needed). Nothing is lost. Continue: everswin resume ${name}`;
    expect(await everswin('status', name)).toContain(`  waiting    ${paused}`);
    expect((await queryRun(handle))?.status.notice).toBe(paused);
    await until(async () => ((await findActivity())?.attempt === 2 ? true : undefined));
    expect(await everswin('resume', name)).toBe(`Resumed ${name}: runTraining, which was paused in Temporal.`);
    await handle.result();
  });
});

test('commands say that no control worker runs, and cancel keeps the request', async () => {
  const client = await connect({ address, namespace: 'default' });
  const { name } = freshInput();
  const handle = await client.workflow.start(workflowTypes.trainDetector, {
    taskQueue: 'without-worker',
    workflowId: workflowId(name),
    args: [],
  });
  await Promise.all([
    expect(parse('pause', name)).rejects.toThrow(/^No control worker answered within 10 s\./),
    expect(parse('cancel', name)).rejects.toThrow(`The server will cancel ${name} when a worker runs.`),
  ]);
  await handle.terminate();
  await client.connection.close();
});

test('models approve promotes the candidate that waits, and refuses without one', async () => {
  const { activities, champion } = createRetrainStubs();
  await withWorkers(activities, async (client) => {
    const input = freshRetrainInput({ promote: { by: 'person', deadlineHours: 1 } });
    const { model } = input;
    const why = ['--why', 'looks right', '--who', 'kim'];
    expect(await everswin('models', 'approve', model, ...why)).toContain(`Run retrain:${model} does not exist.`);
    const handle = await client.workflow.start(workflowTypes.retrainDetector, {
      taskQueue: taskQueues.control,
      workflowId: retrainId(model),
      args: [input],
    });
    const candidate = await until(
      async () => RetrainStatus.parse(await handle.query('status')).awaitingApproval ?? undefined,
    );
    expect(await everswin('pause', `retrain:${model}`)).toContain(
      `retrain:${model} is not a training. Only trainings can be paused.`,
    );
    expect(await everswin('models', 'approve', model, ...why)).toContain(
      `Approved ${candidate}; it becomes the champion of ${model}.`,
    );
    expect(await handle.result()).toMatchObject({ outcomes: [{ why: 'looks right (gate: passed)' }] });
    expect(champion()).toBe(candidate);
    expect(await everswin('models', 'reject', model, ...why)).toContain(
      `No candidate of ${model} waits for approval. retrain:${model} has already ended: completed`,
    );
  });
});

test('status says why a run failed, also before it had a status', async () => {
  await withWorkers(
    { fetchWeights: () => Promise.reject(toFailure(new CodedError('WeightsRefused', 'It is a photo.'))) },
    async (client) => {
      const input = freshInput();
      const { handle } = await startRun(client, input);
      await handle.result().catch(() => undefined);
      const lines = (await everswin('status', input.name)).split('\n');
      expect(lines[0]).toBe(`${input.name}  mini  failed`);
      expect(lines).toContain('  failed     WeightsRefused while fetching');
      expect(lines).toContain('  cause      It is a photo.');
      expect(lines).toContain(`  next step  ${errorCatalogue.WeightsRefused.nextStep}`);

      const invalid = await client.workflow.start(workflowTypes.trainDetector, {
        taskQueue: taskQueues.control,
        workflowId: workflowId('invalid'),
        args: [{}],
      });
      await invalid.result().catch(() => undefined);
      expect(await everswin('status', 'invalid')).toMatch(
        /^invalid {2}failed\n {2}failed {5}InvalidInput\n {2}cause {6}The run input has \d+ problems:/,
      );
    },
  );
});

test('everswin exits with 1 for an unknown run, and with 2 for an epoch that is no number', async () => {
  const main = (...args: string[]) =>
    execa(process.execPath, ['infra/cli/main.ts', ...args, '--address', address], {
      cwd: projectRoot,
      reject: false,
    });
  const [unknown, misspelled] = await Promise.all([main('pause', 'nothing'), main('stop-after', 'nothing', 'soon')]);
  expect(unknown).toMatchObject({ exitCode: 1, stdout: '' });
  expect(unknown.stderr).toContain('Run nothing does not exist. List the runs: everswin status');
  expect(misspelled.exitCode).toBe(2);
  expect(misspelled.stderr).toContain('Expected a whole number, 1 or more.');
});
