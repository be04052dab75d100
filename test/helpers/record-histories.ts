/** Records a history for each scenario below: stubbed activities, the real server of the test run. */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { Context } from '@temporalio/activity';
import type { Client } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import {
  approvalUpdateNames,
  compareId,
  evaluationId,
  retrainId,
  taskQueues,
  triggerSignalName,
  updateNames,
  workflowId,
  workflowTypes,
} from '../../configs/names.ts';
import { RetrainInput, SweepInput, type RetrainStatus, type RunInput } from '../../configs/schema/index.ts';
import { trainUntilStopped, withHostWorkers } from './host-workers.ts';
import { miniInput, miniPlan } from './mini-run.ts';
import { projectRoot } from './project.ts';
import { createRetrainStubs } from './retrain-stubs.ts';
import { omitRunName } from './omit-run-name.ts';
import { until } from './until.ts';
import { aFailure, anAttempt, signalProgress, type StubbedActivities } from './stub-activities.ts';
import { withWorkers } from './workflow-env.ts';

export const historiesFolder = `${projectRoot}/test/histories`;

type Stubs = Partial<StubbedActivities>;

const notify: RunInput['notify'] = [{ to: 'webhook', ref: 'OPS' }];

/** Returns the input in the plan, as the real activity does. */
const resolvePlan: StubbedActivities['resolvePlan'] = (input) =>
  Promise.resolve({ ...miniPlan, runId: input.name, input });

export async function recordHistories(): Promise<void> {
  await rm(historiesFolder, { recursive: true, force: true });
  await mkdir(historiesFolder);
  await recordTraining();
  await recordTrainingWithCrashes();
  await recordTrainingOnTwoHosts();
  await recordEvaluation();
  await recordRetraining();
  await recordSweep();
}

async function recordTraining(): Promise<void> {
  const input: RunInput = { ...miniInput, name: 'recorded', notify };
  await withWorkers({ resolvePlan }, async (client) => {
    await train(client, input);
    await save(client, workflowId(input.name), 'train-detector');
  });
}

/** A crash, a divergence, a lost worker, a full disk and a pause, with an S3 store. */
async function recordTrainingWithCrashes(): Promise<void> {
  const input: RunInput = { ...miniInput, name: 'recorded-crash', notify, artifacts: { store: 's3://artifacts' } };
  const runTraining: StubbedActivities['runTraining'] = async (request) => {
    const { attempt } = request;
    await signalProgress(attempt);
    switch (attempt) {
      case 1:
        return anAttempt({ attempt, outcome: 'crashed', failure: aFailure('retry') });
      case 2:
        return anAttempt({ attempt, outcome: 'crashed', failure: aFailure('rollback'), checkpoints: [30, 20, 10] });
      case 3:
        await Context.current().cancelled.catch(() => undefined); // sends no heartbeat until the server gives it up
        return anAttempt({ attempt });
      case 4:
        return anAttempt({ attempt, outcome: 'crashed', failure: aFailure('wait-for-space') });
      case 5:
        return trainUntilStopped(request);
      default:
        return anAttempt({ attempt });
    }
  };
  await withWorkers({ resolvePlan, runTraining }, async (client) => {
    const trained = train(client, input);
    const handle = client.workflow.getHandle(workflowId(input.name));
    await until(async () => (await attemptsOf(client, input.name)) === 4 || undefined);
    await handle.executeUpdate(updateNames.pause);
    await handle.executeUpdate(updateNames.resume);
    await trained;
    await save(client, workflowId(input.name), 'train-detector-crash');
  });
}

/** One host is lost, and the second attempt finishes. */
async function recordTrainingOnTwoHosts(): Promise<void> {
  const input: RunInput = { ...miniInput, name: 'recorded-hosts', gpus: 2, hosts: ['gpu-a', 'gpu-b'] };
  const runTraining: Stubs['runTraining'] = (request) =>
    request.attempt === 1 ? trainUntilStopped(request) : Promise.resolve(anAttempt({ attempt: request.attempt }));
  const joinTraining: Stubs['joinTraining'] = ({ attempt }) =>
    Promise.resolve(attempt === 1 ? { outcome: 'lost', cause: 'Killed.' } : { outcome: 'finished', cause: null });
  await withHostWorkers({ 'gpu-a': { runTraining }, 'gpu-b': { joinTraining } }, async (client) => {
    await train(client, input);
    await save(client, workflowId(input.name), 'train-detector-two-hosts');
  });
}

async function recordEvaluation(): Promise<void> {
  const input: RunInput = { ...miniInput, name: 'recorded', weights: { detector: 'released' }, notify };
  await withWorkers(
    { resolvePlan: (run) => Promise.resolve({ ...miniPlan, epochs: 0, input: run }) },
    async (client) => {
      await client.workflow.execute(workflowTypes.evaluateDetector, {
        taskQueue: taskQueues.control,
        workflowId: evaluationId(input.name),
        args: [input],
      });
      await save(client, evaluationId(input.name), 'evaluate-detector');
    },
  );
}

/** The schedule's trigger and the retraining that it starts: a first candidate, which a person approves. */
async function recordRetraining(): Promise<void> {
  const promote = { by: 'person', deadlineHours: 1 };
  const run = { ...omitRunName(miniInput), notify };
  const input = RetrainInput.parse({ version: 1, model: 'recorded', settleSeconds: 1, run, promote });
  const id = retrainId(input.model);
  const world = createRetrainStubs();
  const sendTrigger: StubbedActivities['sendTrigger'] = () => Promise.resolve();
  await withWorkers({ ...world.activities, sendTrigger }, async (client) => {
    const handle = await client.workflow.signalWithStart(workflowTypes.retrainDetector, {
      taskQueue: taskQueues.control,
      workflowId: id,
      args: [input],
      signal: triggerSignalName,
      signalArgs: [{ who: 'schedule', why: 'every night', at: 1 }],
    });
    const waitsForApproval = async () => (await handle.query<RetrainStatus>('status')).awaitingApproval ?? undefined;
    await until(waitsForApproval);
    await handle.executeUpdate(approvalUpdateNames.approve, { args: [{ who: 'kim', why: 'looks right' }] });
    await handle.result();
    await save(client, id, 'retrain-detector');

    const trigger = 'trigger-recorded';
    await client.workflow.execute(workflowTypes.triggerRetrain, {
      taskQueue: taskQueues.control,
      workflowId: trigger,
      args: [input, 'schedule', 'every night'],
    });
    await save(client, trigger, 'trigger-retrain');
  });
}

/** Two variants, of which one fails. */
async function recordSweep(): Promise<void> {
  const { name, ...base } = { ...miniInput, name: 'recorded-sweep' };
  const variants = [{ name: 'a' }, { name: 'b', change: { seed: 8 } }];
  const earlyStop = { afterEpoch: 1, pointsBehind: 5 };
  const input = SweepInput.parse({ version: 1, name, base, variants, earlyStop });
  const stubs: Stubs = {
    resolvePlan,
    checkPlan: ({ input: { seed } }) =>
      Promise.resolve(
        seed === 8 ? [{ name: 'GPUs', verdict: 'error', message: '9 GPUs requested', remedy: null }] : [],
      ),
    writeComparison: () =>
      Promise.resolve({
        uri: 'file:///index.html',
        sha256: 'a'.repeat(64),
        bytes: 1,
        winner: 'a',
        verdict: ['a wins'],
      }),
  };
  await withWorkers(stubs, async (client) => {
    await client.workflow.execute(workflowTypes.compareRecipes, {
      taskQueue: taskQueues.control,
      workflowId: compareId(input.name),
      args: [input],
    });
    await save(client, compareId(input.name), 'compare-recipes');
  });
}

const train = (client: Client, input: RunInput): Promise<unknown> =>
  client.workflow.execute(workflowTypes.trainDetector, {
    taskQueue: taskQueues.control,
    workflowId: workflowId(input.name),
    args: [input],
  });

async function attemptsOf(client: Client, name: string): Promise<number | undefined> {
  const status = await client.workflow
    .getHandle(workflowId(name))
    .query<{ attempts: unknown[] }>('status')
    .catch(() => undefined); // not started yet
  return status?.attempts.length;
}

/** Writes the history without the names and paths of the machine that recorded it. */
async function save(client: Client, id: string, file: string): Promise<void> {
  const history = await client.workflow.getHandle(id).fetchHistory();
  const withoutMachine = (key: string, value: unknown): unknown => {
    if (key === 'stackTrace') return '';
    return typeof value === 'string' ? value.replace(/^\d+@[^-]\S*/, 'recorder') : value;
  };
  const text = JSON.stringify(JSON.parse(historyToJSON(history)), withoutMachine, 1);
  await writeFile(`${historiesFolder}/${file}.json`, `${text}\n`);
}
