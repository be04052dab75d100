/** A cancellation in each phase of each workflow, also when the activity of that phase cannot answer it. */
import { Context } from '@temporalio/activity';
import type { Client, WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { expect, test } from 'vitest';
import { CodedError } from '../../../activities/shared/errors/coded-error.ts';
import { toFailure } from '../../../activities/shared/temporal/failure.ts';
import { retrainId, taskQueues, workflowTypes } from '../../../configs/names.ts';
import { RunInput } from '../../../configs/schema/index.ts';
import { startRun } from '../../../infra/client/start-run.ts';
import { miniPlan } from '../../helpers/mini-run.ts';
import { createRetrainStubs, freshRetrainInput } from '../../helpers/retrain-stubs.ts';
import { happyActivities, type StubbedActivities } from '../../helpers/stub-activities.ts';
import { until } from '../../helpers/until.ts';
import { freshInput, withWorkers } from '../../helpers/workflow-env.ts';

type Name = keyof StubbedActivities;

/** What an activity does when it is cancelled. */
const reactions = {
  stops: () => Context.current().cancellationSignal.reason as Error,
  'loses its worker': () => toFailure(new CodedError('WorkerLost', 'Worker lost: process 7 was killed.')),
  'fails with a verdict': () => toFailure(new CodedError('DatasetInvalid', 'An image is damaged.')),
} as const;
type Reaction = keyof typeof reactions;

const phases: Name[] = [
  'resolvePlan',
  'checkPlan',
  'checkMachine',
  'fetchDataset',
  'fetchWeights',
  'pinPlan',
  'runTraining',
  'runTest',
  'exportDetector',
  'writeReport',
  'mirrorRun',
];

/** Replaces activities by ones that wait for a cancellation in the runs that are to stop there. */
function stopIn(phaseOf: Map<string, { phase: Name; reaction: Reaction }>, base: Partial<StubbedActivities> = {}) {
  const activities: Record<string, unknown> = { ...happyActivities, ...base };
  return Object.fromEntries(
    Object.entries(activities).map(([name, work]) => [
      name,
      async (...args: never[]): Promise<unknown> => {
        const { info, cancelled, heartbeat } = Context.current();
        const stop = phaseOf.get(info.workflowExecution?.workflowId ?? '');
        if (stop?.phase !== name) return (work as (...args: never[]) => Promise<unknown>)(...args);
        const timer = setInterval(() => heartbeat('in the phase'), 100);
        await cancelled.catch(() => undefined);
        clearInterval(timer);
        throw reactions[stop.reaction]();
      },
    ]),
  );
}

async function cancelIn(handle: WorkflowHandle, phase: Name): Promise<string> {
  await until(async () => {
    const { status, raw } = await handle.describe();
    const isThere = raw.pendingActivities?.some((one) => one.activityType?.name === phase && one.lastHeartbeatTime);
    return isThere === true || status.name !== 'RUNNING' ? true : undefined;
  });
  await handle.cancel();
  const failure: unknown = await handle.result().catch((error: unknown) => error);
  const { status } = await handle.describe();
  const cause = failure instanceof Error && failure.cause instanceof ApplicationFailure ? failure.cause.type : '';
  return `${phase}: ${status.name} ${cause ?? ''}`.trim();
}

const startTraining = (client: Client, input: RunInput) => startRun(client, input).then(({ handle }) => handle);

test.each(Object.keys(reactions) as Reaction[])(
  'trainDetector ends as cancelled in each phase when its activity %s',
  async (reaction) => {
    const phaseOf = new Map<string, { phase: Name; reaction: Reaction }>();
    const resolvePlan: StubbedActivities['resolvePlan'] = (input) =>
      Promise.resolve({ ...miniPlan, runId: input.name, input });
    await withWorkers(stopIn(phaseOf, { resolvePlan }), async (client) => {
      const cancel = async (phase: Name) => {
        const input = RunInput.parse({ ...freshInput(), artifacts: { store: 's3://bucket' } });
        phaseOf.set(`train:${input.name}`, { phase, reaction });
        return cancelIn(await startTraining(client, input), phase);
      };
      expect(await Promise.all(phases.map(cancel))).toEqual(phases.map((phase) => `${phase}: CANCELLED`));
    });
  },
);

const retrainPhases: Name[] = ['detectChanges', 'readModel', 'publishCandidate', 'evaluateGate', 'changeModel'];

test.each(Object.keys(reactions) as Reaction[])(
  'retrainDetector ends as cancelled in each phase when its activity %s',
  async (reaction) => {
    const phaseOf = new Map<string, { phase: Name; reaction: Reaction }>();
    await withWorkers(stopIn(phaseOf, createRetrainStubs().activities), async (client) => {
      const cancel = async (phase: Name) => {
        const input = freshRetrainInput();
        const workflowId = retrainId(input.model);
        phaseOf.set(workflowId, { phase, reaction });
        const options = { taskQueue: taskQueues.control, workflowId, args: [input] };
        return cancelIn(await client.workflow.start(workflowTypes.retrainDetector, options), phase);
      };
      expect(await Promise.all(retrainPhases.map(cancel))).toEqual(retrainPhases.map((one) => `${one}: CANCELLED`));
    });
  },
);
