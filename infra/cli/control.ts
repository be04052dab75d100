import { userInfo } from 'node:os';
import type { Client } from '@temporalio/client';
import { z } from 'zod';
import { iterationOf } from '../../activities/shared/summary/checkpoint-name.ts';
import { updateNames, workflowTypes } from '../../configs/names.ts';
import { RunStatus } from '../../configs/schema/index.ts';
import { findWorkflow, requireRunning, type NamedWorkflow } from '../client/find-workflow.ts';
import { queryRunStatus } from '../client/follow-run.ts';
import { addressArgument } from '../client/run-hints.ts';
import { unpauseActivities } from '../client/paused-activities.ts';
import { queryStatus, sendUpdate } from '../client/send-update.ts';
import { withClient } from '../client/with-client.ts';
import { untilInterrupted } from '../terminal/wait-for-interrupt.ts';

interface ControlOptions {
  address?: string | undefined;
}

/** The run of a command. `statusBefore` is its status before the update. */
interface ControlledRun {
  name: string;
  statusBefore: RunStatus;
  /** Queries the status again. */
  readStatus: () => Promise<RunStatus>;
  /** Formats a command for this run. */
  command: (action: string) => string;
}

interface Control {
  update: keyof typeof updateNames;
  /** `be paused`: what other workflows cannot do. */
  ability: string;
  /** Serves the request without the workflow, if that is the case. @returns the answer. */
  serve?: (client: Client, workflow: NamedWorkflow) => Promise<string | undefined>;
  args?: [number, string] | [string];
  /** @throws Error for a request that the workflow would accept by mistake. */
  check?: (run: ControlledRun) => void;
  /** Formats what the run does until it answers. */
  waiting?: (name: string) => string;
  /** Formats the result of the update. */
  answer: (result: unknown, run: ControlledRun) => string | Promise<string>;
}

const noticeMs = 300;

const PauseResult = z.object({ iteration: z.int().nullable(), seconds: z.number() });
const ExtendResult = z.object({ epochs: z.int(), schedule: z.string() });
const CheckpointResult = z.object({ checkpoint: z.string().nullable() });

/** Saves a checkpoint, stops the trainer and frees its GPUs. Returns when that is done. */
export const pause = (name: string, options: ControlOptions): Promise<void> =>
  control(name, options, {
    update: 'pause',
    ability: 'be paused',
    waiting: (name) => `Pausing ${name}: the trainer saves a checkpoint first …`,
    answer: async (result, { name, readStatus, command }) => {
      const { iteration, seconds } = PauseResult.parse(result);
      const status = await readStatus();
      const { stage, attempts } = status;
      if (stage !== 'training')
        return `The training of ${name} ended before it could pause: the run is ${stage}. Status: ${command('status')}`;
      const newest = iteration ?? newestCheckpoint(status);
      const where = newest === undefined ? 'before its first checkpoint' : `at iteration ${newest}`;
      const gpus =
        attempts.at(-1)?.outcome === 'worker-lost'
          ? 'its GPU worker does not respond, so a trainer may still use the GPUs'
          : 'the GPUs are free';
      return `Paused ${name} ${where} in ${seconds.toFixed(1)} s; ${gpus}. Resume: ${command('resume')}`;
    },
  });

/** Continues a paused training, or what was paused in Temporal. */
export const resume = (name: string, options: ControlOptions): Promise<void> =>
  control(name, options, {
    update: 'resume',
    ability: 'be resumed',
    serve: async (client, workflow) => {
      const activities = await unpauseActivities(client, workflow);
      if (activities.length > 0)
        return `Resumed ${workflow.name}: ${activities.join(', ')}, which was paused in Temporal.`;
    },
    answer: (_, { name, statusBefore }) => {
      if (statusBefore.decisions.at(-1)?.next === 'ask') return `${name} looks for a usable checkpoint again.`;
      const iteration = newestCheckpoint(statusBefore);
      const from = iteration === undefined ? 'starts' : `continues from iteration ${iteration}`;
      return `Resumed ${name}; it ${from} as soon as its GPUs are free.`;
    },
  });

/** Lets a training without a usable checkpoint start from iteration 0. */
export const startOver = (name: string, options: ControlOptions): Promise<void> =>
  control(name, options, {
    update: 'startOver',
    ability: 'be started over',
    args: [userInfo().username],
    answer: (_, { name }) => `${name} trains from iteration 0 as soon as its GPUs are free.`,
  });

/** Ends a training after an epoch, with test and report. */
export const stopAfter = (name: string, epoch: number, options: ControlOptions): Promise<void> =>
  control(name, options, {
    update: 'stopAfterEpoch',
    ability: 'be shortened',
    args: [epoch, userInfo().username],
    check: ({ name, statusBefore, command }) => {
      // The workflow learns of a new epoch only at its end; the heartbeat in this status is newer.
      const running = statusBefore.progress?.epoch ?? 1;
      if (epoch < running)
        throw new Error(
          `Epoch ${epoch} is over: ${name} trains epoch ${running}. To end at once: ${command('cancel')}`,
        );
    },
    answer: () => `Ends after epoch ${epoch}; test and report follow.`,
  });

/** Extends a training to a later epoch. */
export const extend = (name: string, epoch: number, options: ControlOptions): Promise<void> =>
  control(name, options, {
    update: 'extendEpochs',
    ability: 'be extended',
    args: [epoch, userInfo().username],
    answer: (result) => {
      const { epochs, schedule } = ExtendResult.parse(result);
      return `Trains to epoch ${epochs}; ${schedule}.`;
    },
  });

/** Writes a checkpoint during training. Returns when it is written. */
export const checkpoint = (name: string, options: ControlOptions): Promise<void> =>
  control(name, options, {
    update: 'checkpointNow',
    ability: 'write a checkpoint',
    waiting: (name) => `Waiting until the trainer of ${name} has written the checkpoint …`,
    answer: async (result, { name, readStatus }) => {
      const { checkpoint } = CheckpointResult.parse(result);
      const { progress, control } = await readStatus();
      const isServed = (progress?.checkpointNow ?? 0) >= (control?.checkpointNow ?? 0);
      if (checkpoint === null || !isServed) return `${name} was paused or ended first, which also saves a checkpoint.`;
      return `Checkpoint of iteration ${iterationOf(checkpoint) ?? 'unknown'} written: ${checkpoint}`;
    },
  });

async function control(typed: string, { address }: ControlOptions, request: Control): Promise<void> {
  await withClient(address, async (client, server) => {
    const workflow = await findWorkflow(client, typed);
    requireRunning(workflow);
    const served = await request.serve?.(client, workflow);
    if (served !== undefined) return console.log(served);
    requireTraining(workflow, request.ability);
    const { name } = workflow;
    const queried = await readStatus(client, workflow);
    const statusBefore = (await queryRunStatus(workflow.handle)) ?? queried;
    const run: ControlledRun = {
      name,
      statusBefore,
      readStatus: () => readStatus(client, workflow),
      command: (action) => `everswin ${action} ${name}${addressArgument(server)}`,
    };
    // Until a run has its plan, it does not know these updates.
    if (statusBefore.stage === 'planning') {
      throw new Error(
        `The training of ${name} has not begun: the run is planning. Try again during training. Status: ${run.command('status')}`,
      );
    }
    request.check?.(run);
    const { result } = await sendUpdate(client, workflow, {
      update: updateNames[request.update],
      args: request.args ?? [],
    });
    const answering = result();
    // A refusal comes at once, and then the run does nothing to wait for.
    const { waiting } = request;
    const notice = setTimeout(() => waiting !== undefined && console.error(waiting(name)), noticeMs);
    void answering.catch(() => undefined).finally(() => clearTimeout(notice));
    const answer = await untilInterrupted(answering, () =>
      console.error(`The request to ${name} continues without this terminal. Status: ${run.command('status')}`),
    );
    console.log(await request.answer(answer, run));
  });
}

const readStatus = async (client: Client, workflow: NamedWorkflow): Promise<RunStatus> =>
  RunStatus.parse(await queryStatus(client, workflow));

function requireTraining({ name, description }: NamedWorkflow, ability: string): void {
  if (description.type === workflowTypes.trainDetector) return;
  throw new Error(
    `${name} is not a training. Only trainings can ${ability}. List the runs: everswin status. To end ${name}: everswin cancel ${name}`,
  );
}

/** Returns the iteration of the newest checkpoint that an attempt or the progress reported. */
export function newestCheckpoint({ attempts, progress }: RunStatus): number | undefined {
  const reported = attempts.findLast(({ checkpoints }) => checkpoints.length > 0)?.checkpoints[0];
  return reported ?? iterationOf(progress?.lastCheckpoint ?? '');
}
