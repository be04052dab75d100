/** Time and retry policy of every activity, by character. Whoever changes a number changes it here. */
import { ActivityCancellationType } from '@temporalio/workflow';
import type { ControlActivities, GpuActivities } from '../../activities/index.ts';
import { nonRetryableCodes } from '../../configs/errors.ts';
import { hostsOf } from '../../configs/schema/plan-hosts.ts';
import { hostQueue, taskQueues } from '../../configs/names.ts';
import type { RunPlan } from '../../configs/schema/index.ts';
import { checkedActivities } from './checked-activities.ts';

const retry = {
  initialInterval: '1 second',
  backoffCoefficient: 2,
  nonRetryableErrorTypes: nonRetryableCodes,
} as const;

// Unset, it is sent as TRY_CANCEL despite its documentation, and the workflow would continue before the trainer saved.
const cancellationType = ActivityCancellationType.WAIT_CANCELLATION_COMPLETED;

/** Seconds of work on the control worker. Few tries: what fails five times is a defect, and waiting hides it. */
export const control = checkedActivities<
  Pick<ControlActivities, 'resolvePlan' | 'checkPlan' | 'pinPlan' | 'writeReport' | 'stopVariant' | 'writeComparison'>
>({
  taskQueue: taskQueues.control,
  startToCloseTimeout: '15 minutes',
  heartbeatTimeout: '10 seconds',
  retry: { ...retry, maximumInterval: '10 seconds', maximumAttempts: 5 },
});

/** Waits for other runs: months if the twelve variants of a sweep share one machine. */
const longWait = {
  taskQueue: taskQueues.control,
  startToCloseTimeout: '365 days',
  heartbeatTimeout: '30 seconds',
  retry: { ...retry, maximumInterval: '1 minute' },
} as const;

/** Looks only: nobody waits for it to stop looking. */
export const watching = checkedActivities<Pick<ControlActivities, 'watchVariants'>>({
  ...longWait,
  cancellationType: ActivityCancellationType.TRY_CANCEL,
});

/** Waits for a run that the sweep did not start; cancels it, where an earlier run of the sweep did. */
export const sweepRuns = checkedActivities<Pick<ControlActivities, 'joinRun'>>({ ...longWait, cancellationType });

/** Sends a notification, retried for an hour. The workflow does not wait for it. */
export const notifying = checkedActivities<Pick<ControlActivities, 'notify'>>({
  taskQueue: taskQueues.control,
  startToCloseTimeout: '1 minute',
  scheduleToCloseTimeout: '1 hour',
  retry: { ...retry, maximumInterval: '5 minutes' },
});

/** Gigabytes over a network that may be away for a night: tried again for days, from where it broke off. */
export const transfer = checkedActivities<Pick<ControlActivities, 'fetchDataset' | 'fetchWeights'>>({
  taskQueue: taskQueues.control,
  startToCloseTimeout: '3 days',
  heartbeatTimeout: '30 seconds',
  cancellationType,
  retry: { ...retry, maximumInterval: '5 minutes', maximumAttempts: 500 },
});

/** Checks the machine that will train. Waits while it trains another run. */
export const inspection = checkedActivities<Pick<GpuActivities, 'checkMachine' | 'checkSharedStorage'>>({
  taskQueue: taskQueues.gpu,
  startToCloseTimeout: '10 minutes',
  heartbeatTimeout: '10 seconds',
  retry: { ...retry, maximumInterval: '1 minute', maximumAttempts: 5 },
});

/** The rest of a finished run into the artifact store, from the machine that holds it. */
export const mirroring = checkedActivities<Pick<GpuActivities, 'mirrorRun'>>({
  taskQueue: taskQueues.gpu,
  startToCloseTimeout: '3 days',
  heartbeatTimeout: '30 seconds',
  cancellationType,
  retry: { ...retry, maximumInterval: '5 minutes', maximumAttempts: 500 },
});

/** A training attempt of days. One try only: after each ending the workflow decides, and records why. */
export const training = checkedActivities<Pick<GpuActivities, 'runTraining' | 'joinTraining'>>({
  taskQueue: taskQueues.gpu,
  startToCloseTimeout: '14 days',
  // A dead worker is noticed within 10 s. Short is safe, since its trainer lives on and the next attempt adopts it.
  heartbeatTimeout: '10 seconds',
  cancellationType,
  retry: { maximumAttempts: 1 },
});

/** Where a run names hosts, what needs one machine is the first one's; else whoever takes it from the shared queue. */
export const onLeader = (plan: RunPlan): { taskQueue?: string } => {
  const [leader] = hostsOf(plan);
  return leader === undefined ? {} : onHost(leader);
};

export const onHost = (host: string): { taskQueue: string } => ({ taskQueue: hostQueue(host) });

/** Who is taken first where more runs are started than workers take: as in the queue for GPUs. Lower goes first. */
export const queuePriority = (ofRun = 3, before = 0) => ({ priorityKey: Math.max(1, ofRun - before) });

/** The COCO test: minutes to an hour. Tried again, since a running test is adopted and inference is never repeated. */
export const testing = checkedActivities<Pick<GpuActivities, 'runTest'>>({
  taskQueue: taskQueues.gpu,
  startToCloseTimeout: '1 day',
  heartbeatTimeout: '10 seconds',
  cancellationType,
  retry: { ...retry, maximumInterval: '1 minute', maximumAttempts: 5 },
});

/** The registry of models: small files of the artifact store, which may be away for an hour. */
export const registry = checkedActivities<
  Pick<ControlActivities, 'detectChanges' | 'evaluateGate' | 'readModel' | 'readVersion' | 'changeModel'>
>({
  taskQueue: taskQueues.control,
  startToCloseTimeout: '1 hour',
  heartbeatTimeout: '10 seconds',
  retry: { ...retry, maximumInterval: '1 minute', maximumAttempts: 60 },
});

/** A word to another workflow. */
export const triggering = checkedActivities<Pick<ControlActivities, 'sendTrigger'>>({
  taskQueue: taskQueues.control,
  startToCloseTimeout: '1 minute',
  retry: { ...retry, maximumInterval: '1 minute' },
});

/** Waits for a run of somebody else's: as long as a training takes. */
export const runWatch = checkedActivities<Pick<ControlActivities, 'waitForRun'>>({ ...longWait, cancellationType });

/** A finished run into the registry, from the machine that holds it. */
export const publishing = checkedActivities<Pick<GpuActivities, 'publishCandidate'>>({
  taskQueue: taskQueues.gpu,
  startToCloseTimeout: '1 day',
  heartbeatTimeout: '10 seconds',
  cancellationType,
  retry: { ...retry, maximumInterval: '5 minutes', maximumAttempts: 100 },
});

/** Waits until somebody has made room: days, if need be. */
export const diskSpace = checkedActivities<Pick<GpuActivities, 'waitForSpace'>>({
  taskQueue: taskQueues.gpu,
  startToCloseTimeout: '30 days',
  heartbeatTimeout: '10 seconds',
  cancellationType,
  retry: { ...retry, maximumInterval: '1 minute' },
});

/** Stops what a run left running. The trainer has 45 s to save; a worker that does not answer must not keep the run open. */
export const stopping = checkedActivities<Pick<GpuActivities, 'stopJobs'>>({
  taskQueue: taskQueues.gpu,
  scheduleToCloseTimeout: '15 minutes',
  heartbeatTimeout: '10 seconds',
  retry: { ...retry, maximumInterval: '10 seconds' },
});
