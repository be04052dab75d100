/**
 * `node test/chaos/minute-schedule.ts [--changes 3] [--out FILE]`: runs the embedded stack with a schedule
 * that triggers every minute. Each real training takes longer, and the data change during each of them. Trainings must
 * not overlap, and the last change must have been trained in the end.
 */
import '../helpers/quiet-runtime.ts';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { Client } from '@temporalio/client';
import { z } from 'zod';
import { localStore } from '../../activities/shared/store/local-store.ts';
import { readRegistry } from '../../activities/registry/registry-state.ts';
import { retrainId, statusQueryName } from '../../configs/names.ts';
import { homeFolders } from '../../configs/paths.ts';
import { RetrainInput, RetrainStatus } from '../../configs/schema/index.ts';
import { stackServer } from '../../infra/client/find-server.ts';
import { connect } from '../../workers/connect.ts';
import { queryRetraining } from '../../infra/client/follow-retrain.ts';
import { applySchedule } from '../../infra/client/retrain-schedule.ts';
import { startStack } from '../../infra/stack/start-stack.ts';
import { drawMiniCoco } from '../helpers/preparation.ts';
import { projectRoot } from '../helpers/project.ts';
import { omitRunName } from '../helpers/omit-run-name.ts';
import { readMachine } from './read-machine.ts';

const model = 'minute';
/** About 80 seconds on two cores. */
const epochs = 10;
/** Delay after the start of a training until its data change. */
const changeAfterMs = 40_000;

interface Span {
  id: string;
  /** Unix seconds. */
  from: number;
  to: number;
}

const { values } = parseArgs({ options: { changes: { type: 'string', default: '3' }, out: { type: 'string' } } });
const changes = Number(values.changes);
const root = await mkdtemp(`${tmpdir()}/everswin-minute-`);
const home = `${root}/home`;
await drawMiniCoco('--own', `${root}/data`);
await mkdir(home);
const stack = await startStack({ home, device: 'cpu', withObjectStore: false, log: console.log });
try {
  const client = await connect(stackServer(stack.file()));
  await applySchedule(client, await readInput(), { every: '1m', cron: undefined, timeZone: 'UTC' });
  for (let change = 1; change <= changes; change += 1) {
    await waitForTraining(client, change);
    await sleep(changeAfterMs);
    await changeData(change);
    console.log(`${new Date().toISOString()} changed the data during training ${change} (${change} of ${changes})`);
  }
  await waitForCandidates(changes + 1);
  // Leaves time for the last buffered action, which finds no change.
  await sleep(150_000);
  await conclude(client);
  await client.connection.close();
} finally {
  await stack.stop();
  await rm(root, { recursive: true, force: true });
}
process.exit();

async function readInput(): Promise<RetrainInput> {
  const text = await readFile(`${projectRoot}/configs/runs/own-data.json`, 'utf8');
  const file = z.looseObject({}).parse(JSON.parse(text.replaceAll('/tmp/own-data', `${root}/data`)));
  return RetrainInput.parse({ version: 1, model, run: { ...omitRunName(file), epochs } });
}

/** Changes the data by a field of the annotations. */
async function changeData(change: number): Promise<void> {
  const path = `${root}/data/annotations/train.json`;
  const annotations = z.looseObject({}).parse(JSON.parse(await readFile(path, 'utf8')));
  await writeFile(path, JSON.stringify({ ...annotations, info: { version: `change ${change}` } }));
}

async function readCandidates(): Promise<number> {
  const { state } = await readRegistry(localStore(homeFolders(home).store), model);
  return state.history.filter(({ action }) => action === 'candidate').length;
}

/** Waits until the training of this number runs. */
async function waitForTraining(client: Client, number: number): Promise<void> {
  const handle = client.workflow.getHandle(retrainId(model));
  for (;;) {
    const status = await queryRetraining(handle);
    if (status?.stage === 'training' && (await readCandidates()) === number - 1) return;
    await sleep(1_000);
  }
}

async function waitForCandidates(count: number): Promise<void> {
  while ((await readCandidates()) < count) await sleep(1_000);
}

async function listSpans(client: Client, type: string): Promise<Span[]> {
  const spans: Span[] = [];
  for await (const { workflowId, startTime, closeTime } of client.workflow.list({ query: `WorkflowType = '${type}'` }))
    spans.push({ id: workflowId, from: startTime.getTime() / 1000, to: (closeTime ?? new Date()).getTime() / 1000 });
  return spans.sort((a, b) => a.from - b.from);
}

function countOverlaps(spans: Span[]): number {
  return spans.filter(({ from }, place) => spans.slice(0, place).some(({ to }) => to > from)).length;
}

async function conclude(client: Client): Promise<void> {
  const [trainings, retrainings, triggers] = await Promise.all(
    ['trainDetector', 'retrainDetector', 'triggerRetrain'].map((type) => listSpans(client, type)),
  );
  const schedule = await client.schedule.getHandle(retrainId(model)).describe();
  const last = RetrainStatus.parse(await client.workflow.getHandle(retrainId(model)).query(statusQueryName));
  const result = {
    trainings: trainings?.map(({ from, to }) => to - from),
    overlappingTrainings: countOverlaps(trainings ?? []),
    overlappingRetrainings: countOverlaps(retrainings ?? []),
    retrainings: retrainings?.length,
    scheduled: triggers?.length,
    skippedOrBufferedAway: schedule.info.numActionsSkippedOverlap,
    lastDecision: last.decisions.at(-1)?.why,
  };
  console.log(JSON.stringify(result, null, 1));
  const isRight =
    result.overlappingTrainings === 0 &&
    result.overlappingRetrainings === 0 &&
    trainings?.length === changes + 1 &&
    trainings.every(({ from, to }) => to - from > 60) &&
    last.decisions.at(-1)?.trains === false;
  if (!isRight) process.exitCode = 1;
  if (values.out !== undefined) {
    const record = { v: 1, ...(await readMachine()), ...result, spans: { trainings, retrainings, triggers } };
    await writeFile(values.out, JSON.stringify(record, null, 2));
  }
}
