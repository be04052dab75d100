/** Runs a training while faults are injected, and checks the result. */
import { mkdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import type { WorkflowHandle } from '@temporalio/client';
import { Worker } from '@temporalio/worker';
import { taskQueues, workflowId, workflowTypes } from '../../configs/names.ts';
import { runFolder, type RunFolder } from '../../configs/paths.ts';
import { readEncryptionKeys } from '../../workers/encryption-keys.ts';
import { createDataConverter } from '../../workers/payload-codec.ts';
import { python } from '../helpers/project.ts';
import { parseJson, readEvents } from './job-record.ts';
import { injectFaults, type InjectedFault } from './inject-faults.ts';
import { measureCost, unknownCost, type RecoveryCost } from './recovery-cost.ts';
import { readReference, checkFolder, type Violation, type Reference } from './oracle.ts';
import type { Fault } from './fault-plan.ts';
import { checkRepeatedSteps, countRepeated } from './repeated-steps.ts';
import { sampleTrainers, type Samples } from './sampler.ts';
import type { ChaosStack } from './stack.ts';
import type { Subject } from './subject.ts';
import { listProgram } from './trainer-tree.ts';

export interface RunResult {
  name: string;
  seconds: number;
  faults: Fault[];
  injected: InjectedFault[];
  costs: RecoveryCost[];
  samples: number;
  stepsRepeated: number;
  starts: number;
  violations: Violation[];
}

export interface ChaosRun {
  stack: ChaosStack;
  subject: Subject;
  ranks: number;
  name: string;
}

/** Runs without faults; the results are the reference for all other runs. */
export async function runUndisturbed(run: ChaosRun): Promise<Reference> {
  const { seconds, status, folder } = await runWithFaults(run, []);
  if (status !== 'COMPLETED')
    throw new Error(`the undisturbed run is ${status}\n${await collectDiagnostics(run, folder)}`);
  return readReference(folder, run.subject.hashState, seconds);
}

export async function runDisturbed(run: ChaosRun, faults: Fault[], reference: Reference): Promise<RunResult> {
  const { stack, subject, name } = run;
  const { seconds, status, folder, injected, samples, handle } = await runWithFaults(run, faults);
  const events = readEvents(folder.train.dir);
  const violations: Violation[] = [
    ...(status === 'COMPLETED'
      ? []
      : [`O5: the workflow is ${status}\n${await collectDiagnostics(run, folder)}` as const]),
    ...(await checkFolder({ reference, folder, keepLast: subject.keepLast, hashState: subject.hashState })),
    ...(await checkProcesses(folder)),
    ...(status === 'COMPLETED' ? await checkHistory(stack, handle) : []),
    ...checkRepeatedSteps(events, injected),
    ...(status === 'COMPLETED' ? await checkReport(folder) : []),
    ...samples.violations.map((violation): Violation => `one trainer: ${violation}`),
  ];
  // The trainer's times mean nothing after a jump of its clock.
  const isClockTrue = !injected.some(({ fault: { action } }) => action.kind === 'clock' && action.victim === 'trainer');
  return {
    name,
    seconds,
    faults,
    injected,
    violations,
    samples: samples.count,
    costs: injected.map((injection) => (isClockTrue ? measureCost(injection, events) : unknownCost)),
    stepsRepeated: countRepeated(events),
    starts: events.filter(({ type }) => type === 'started').length,
  };
}

interface FinishedRun {
  seconds: number;
  status: string;
  folder: RunFolder;
  injected: InjectedFault[];
  samples: Samples;
  handle: WorkflowHandle;
}

async function runWithFaults({ stack, subject, ranks, name }: ChaosRun, faults: Fault[]): Promise<FinishedRun> {
  const folder = runFolder(stack.home, name);
  await mkdir(folder.root, { recursive: true });
  await stack.ready();
  const startedAt = performance.now();
  const handle = await stack.client.workflow.start(workflowTypes.trainDetector, {
    taskQueue: taskQueues.control,
    workflowId: workflowId(name),
    args: [subject.input(name, ranks)],
  });
  const sampler = sampleTrainers(() => [folder.train.dir, folder.test.dir]);
  const ended = new AbortController();
  const [status, injected] = await Promise.all([
    waitForEnd(handle, startedAt + subject.deadlineSeconds * 1000).finally(() => ended.abort()),
    // An error of the suite itself ends the command at once.
    injectFaults(faults, { stack, folder, runId: name }, ended.signal),
  ]);
  const samples = sampler.stop();
  const seconds = (performance.now() - startedAt) / 1000;
  return { seconds, status, folder, injected, samples, handle };
}

/** Keeps polling while the server is unavailable. */
async function waitForEnd(handle: WorkflowHandle, deadline: number): Promise<string> {
  while (performance.now() < deadline) {
    const described = await handle.describe().catch(() => undefined);
    if (described !== undefined && described.status.name !== 'RUNNING') return described.status.name;
    await sleep(50);
  }
  return 'RUNNING';
}

/** O4: no process is left and no lock is held. Waits for the supervisor, which exits after writing exit.json. */
async function checkProcesses({ train, test }: RunFolder): Promise<Violation[]> {
  const findLeft = () => [train.dir, test.dir].flatMap((dir) => listProgram(dir));
  const deadline = performance.now() + 10_000;
  while (findLeft().length > 0 && performance.now() < deadline) await sleep(100);
  const left = findLeft();
  const held = await execa(
    python,
    [`${import.meta.dirname}/python/held_locks.py`, `${train.dir}/lock`, `${test.dir}/lock`],
    {
      reject: false,
    },
  );
  return [
    ...left.map(({ pid, argv }): Violation => `O4: pid ${pid} is still alive: ${argv.join(' ')}`),
    ...(held.failed || held.stdout !== '' ? [`O4: locks held: ${held.stdout} ${held.stderr}` as const] : []),
  ];
}

async function checkHistory({ bundle }: ChaosStack, handle: WorkflowHandle): Promise<Violation[]> {
  try {
    const dataConverter = createDataConverter(readEncryptionKeys());
    const options = { workflowBundle: bundle, dataConverter };
    await Worker.runReplayHistory(options, await handle.fetchHistory(), handle.workflowId);
    return [];
  } catch (error) {
    return [`O5: the history does not replay: ${String(error)}`];
  }
}

/** Checks that the report agrees with the files. */
async function checkReport(folder: RunFolder): Promise<Violation[]> {
  const text = await readFile(`${folder.report}/report.json`, 'utf8').catch(() => '{}');
  const reported = (parseJson(text) as Record<string, unknown>).stepsRepeated;
  const actual = countRepeated(readEvents(folder.train.dir));
  return reported === actual
    ? []
    : [`report: expected ${actual} repeated steps as in the files, got ${String(reported)}`];
}

/** Collects everything that explains the failure of a run. */
async function collectDiagnostics({ stack, name }: ChaosRun, { train, test }: RunFolder): Promise<string> {
  const handle = stack.client.workflow.getHandle(workflowId(name));
  const status = await handle.query('status').then(JSON.stringify, String);
  const pending = await handle.describe().then(
    ({ raw }) => JSON.stringify(raw.pendingActivities),
    (error: unknown) => String(error),
  );
  const result = handle.result().then(() => 'the workflow has a result', formatCauses);
  const failure = await Promise.race([result, sleep(1_000, 'the workflow has no result')]);
  const tail = async (path: string) => (await readFile(path, 'utf8').catch(() => '')).split('\n').slice(-6).join('\n');
  const texts = await Promise.all(
    [train.progress, train.log, test.log].map(async (path) => `${path}:\n${await tail(path)}`),
  );
  return [status, pending, failure, ...texts].join('\n');
}

const formatCauses = (error: unknown): string =>
  error instanceof Error
    ? [error.message, ...(error.cause === undefined ? [] : [formatCauses(error.cause)])].join('\n')
    : String(error);
