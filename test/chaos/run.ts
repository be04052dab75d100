/** One run: started, disturbed, waited for, judged. */
import { mkdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import type { WorkflowHandle } from '@temporalio/client';
import { Worker } from '@temporalio/worker';
import { taskQueues, workflowId, workflowTypes } from '../../configs/names.ts';
import { runFolder, type RunFolder } from '../../configs/paths.ts';
import { python } from '../helpers/project.ts';
import { parseJson, readEvents, type Event } from './job-record.ts';
import { carryOut, type Blow } from './killer.ts';
import { describeCost, type Cost } from './cost.ts';
import { describeOutcome, judgeFolder, type Complaint, type Reference } from './oracle.ts';
import type { Kill } from './plan-of-kills.ts';
import { sampleTrainers, type Samples } from './sampler.ts';
import type { ChaosStack } from './stack.ts';
import type { Subject } from './subject.ts';
import { listProgram } from './trainer-tree.ts';

export interface RunResult {
  name: string;
  seconds: number;
  kills: Kill[];
  blows: Blow[];
  costs: Cost[];
  samples: number;
  stepsRepeated: number;
  starts: number;
  complaints: Complaint[];
}

export interface Course {
  stack: ChaosStack;
  subject: Subject;
  ranks: number;
  name: string;
}

/** What nobody disturbs: its outcome is what all others must come to. */
export async function runUndisturbed(course: Course): Promise<Reference> {
  const { seconds, status, folder } = await disturb(course, []);
  if (status !== 'COMPLETED')
    throw new Error(`the undisturbed run is ${status}\n${await describeState(course, folder)}`);
  return describeOutcome(folder, course.subject.hashState, seconds);
}

export async function runDisturbed(course: Course, kills: Kill[], reference: Reference): Promise<RunResult> {
  const { stack, subject, name } = course;
  const { seconds, status, folder, blows, samples, handle } = await disturb(course, kills);
  const complaints: Complaint[] = [
    ...(status === 'COMPLETED'
      ? []
      : [`O5: the workflow is ${status}\n${await describeState(course, folder)}` as const]),
    ...(await judgeFolder({ reference, folder, keepLast: subject.keepLast, hashState: subject.hashState })),
    ...(await judgeProcesses(folder)),
    ...(status === 'COMPLETED' ? await judgeHistory(stack, handle) : []),
    ...judgeBlows(folder, blows),
    ...(status === 'COMPLETED' ? await judgeReport(folder) : []),
    ...samples.violations.map((violation): Complaint => `one trainer: ${violation}`),
  ];
  const events = readEvents(folder.train.dir);
  return {
    name,
    seconds,
    kills,
    blows,
    complaints,
    samples: samples.taken,
    costs: blows.map((blow) => describeCost(blow, events)),
    stepsRepeated: countRepeated(events),
    starts: events.filter(({ type }) => type === 'started').length,
  };
}

interface Disturbed {
  seconds: number;
  status: string;
  folder: RunFolder;
  blows: Blow[];
  samples: Samples;
  handle: WorkflowHandle;
}

async function disturb({ stack, subject, ranks, name }: Course, kills: Kill[]): Promise<Disturbed> {
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
  const over = new AbortController();
  const killing = carryOut(kills, { stack, folder, runId: name }, over.signal);
  const status = await waitForEnd(handle, startedAt + subject.deadlineSeconds * 1000);
  over.abort();
  const blows = await killing;
  const samples = sampler.stop();
  const seconds = (performance.now() - startedAt) / 1000;
  return { seconds, status, folder, blows, samples, handle };
}

/** Outlives a server that is away. */
async function waitForEnd(handle: WorkflowHandle, deadline: number): Promise<string> {
  while (performance.now() < deadline) {
    const described = await handle.describe().catch(() => undefined);
    if (described !== undefined && described.status.name !== 'RUNNING') return described.status.name;
    await sleep(50);
  }
  return 'RUNNING';
}

/** O4: nobody left alive, no lock held. The supervisor writes exit.json before it ends, so it is given a moment. */
async function judgeProcesses({ train, test }: RunFolder): Promise<Complaint[]> {
  await sleep(200);
  const left = [train.dir, test.dir].flatMap((dir) => listProgram(dir));
  const held = await execa(
    python,
    [`${import.meta.dirname}/python/held_locks.py`, `${train.dir}/lock`, `${test.dir}/lock`],
    {
      reject: false,
    },
  );
  return [
    ...left.map(({ pid, argv }): Complaint => `O4: pid ${pid} is still alive: ${argv.join(' ')}`),
    ...(held.failed || held.stdout !== '' ? [`O4: locks held: ${held.stdout} ${held.stderr}` as const] : []),
  ];
}

async function judgeHistory({ bundle }: ChaosStack, handle: WorkflowHandle): Promise<Complaint[]> {
  try {
    await Worker.runReplayHistory({ workflowBundle: bundle }, await handle.fetchHistory(), handle.workflowId);
    return [];
  } catch (error) {
    return [`O5: the history does not replay: ${String(error)}`];
  }
}

/**
 * A trainer begins to step once, and once more for each blow that hit one; without such a blow no step is done twice.
 * One that ended while no worker lived is started again to say so: that costs nothing and is no loss.
 */
function judgeBlows({ train }: RunFolder, blows: Blow[]): Complaint[] {
  const events = readEvents(train.dir);
  const steppers = new Set(events.flatMap(({ type, attempt }) => (type === 'step' ? [attempt] : []))).size;
  const hits = blows.filter(({ job }) => job === 'train').length;
  return [
    ...blows.flatMap(({ damaged, kill }): Complaint[] =>
      damaged === null ? [] : [`O6: right after kill ${kill.id} the acknowledged ${damaged} was not whole`],
    ),
    ...(steppers <= 1 + hits
      ? []
      : [`nothing lost: ${steppers} trainers stepped, though ${hits} kills hit one` as const]),
    ...(hits > 0 || countRepeated(events) === 0
      ? []
      : ['nothing lost: steps were repeated, though no kill hit the trainer' as const]),
  ];
}

/** What the report says must be what the files say. */
async function judgeReport(folder: RunFolder): Promise<Complaint[]> {
  const text = await readFile(`${folder.report}/report.json`, 'utf8').catch(() => '{}');
  const said = (parseJson(text) as Record<string, unknown>).stepsRepeated;
  const ours = countRepeated(readEvents(folder.train.dir));
  return said === ours ? [] : [`report: it speaks of ${String(said)} repeated steps, the files of ${ours}`];
}

function countRepeated(events: Event[]): number {
  const steps = events.flatMap(({ type, iteration }) => (type === 'step' ? [iteration] : []));
  return steps.length - new Set(steps).size;
}

/** For a run that did not end well: everything that tells why. */
async function describeState({ stack, name }: Course, { train, test }: RunFolder): Promise<string> {
  const handle = stack.client.workflow.getHandle(workflowId(name));
  const status = await handle.query('status').then(JSON.stringify, String);
  const pending = await handle.describe().then(
    ({ raw }) => JSON.stringify(raw.pendingActivities),
    (error: unknown) => String(error),
  );
  const result = handle.result().then(() => 'it has a result', describeError);
  const failure = await Promise.race([result, sleep(1_000, 'it has no result')]);
  const tail = async (path: string) => (await readFile(path, 'utf8').catch(() => '')).split('\n').slice(-6).join('\n');
  const texts = await Promise.all(
    [train.progress, train.log, test.log].map(async (path) => `${path}:\n${await tail(path)}`),
  );
  return [status, pending, failure, ...texts].join('\n');
}

const describeError = (error: unknown): string =>
  error instanceof Error
    ? [error.message, ...(error.cause === undefined ? [] : [describeError(error.cause)])].join('\n')
    : String(error);
