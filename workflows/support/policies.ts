/** Timeouts and retry policies of all activities, grouped by kind of work. No other file sets them. */
import { ActivityCancellationType } from '@temporalio/workflow';
import type { ControlActivities, GpuActivities } from '../../activities/index.ts';
import { nonRetryableCodes, type ErrorCode } from '../../configs/errors.ts';
import { hostsOf } from '../../configs/schema/plan-hosts.ts';
import { hostQueue, taskQueues } from '../../configs/names.ts';
import type { RunPlan } from '../../configs/schema/index.ts';
import { checkedActivities } from './checked-activities.ts';

const retry = {
  initialInterval: '1 second',
  backoffCoefficient: 2,
  nonRetryableErrorTypes: nonRetryableCodes,
} as const;

/** Errors that the workflow decides about itself (workflows/train/repeat-step.ts): outages and crashes. */
export const storageErrors: ErrorCode[] = ['StorageUnavailable', 'DiskFull'];
export const storeError: ErrorCode = 'StoreUnavailable';
export const crashError: ErrorCode = 'TrainerCommandFailed';
const notRetried: ErrorCode[] = [...nonRetryableCodes, ...storageErrors, storeError, crashError];

/** Work that a person waits for: an error that passes may last four minutes, and a defect is reported after them. */
const retryForMinutes = { ...retry, maximumInterval: '1 minute', maximumAttempts: 10 } as const;

/** Work after days of training: an error that passes may last four hours. */
const retryForHours = { ...retry, maximumInterval: '5 minutes', maximumAttempts: 60 } as const;

/** Steps after the training. */
const retryUntilDecided = { ...retryForHours, nonRetryableErrorTypes: notRetried };

/** Transfers of gigabytes. They resume, and a network outage of a night passes. */
const retryForDays = {
  ...retry,
  maximumInterval: '5 minutes',
  maximumAttempts: 500,
  nonRetryableErrorTypes: notRetried,
} as const;

// The SDK sends TRY_CANCEL if this is unset, despite its documentation. The workflow would not wait for the save.
const cancellationType = ActivityCancellationType.WAIT_CANCELLATION_COMPLETED;

const shortWork = {
  taskQueue: taskQueues.control,
  startToCloseTimeout: '15 minutes',
  heartbeatTimeout: '10 seconds',
} as const;

/** Plans of runs, and requests to variants. */
export const control = checkedActivities<
  Pick<ControlActivities, 'resolvePlan' | 'checkPlan' | 'pinPlan' | 'stopVariant'>
>({ ...shortWork, retry: retryForMinutes });

/** Reports about finished trainings. */
export const reporting = checkedActivities<Pick<ControlActivities, 'writeReport'>>({
  ...shortWork,
  retry: retryUntilDecided,
});

/** Comparisons of finished runs. */
export const comparing = checkedActivities<Pick<ControlActivities, 'writeComparison'>>({
  ...shortWork,
  retry: retryForHours,
});

/** Waits for other runs: months if the twelve variants of a sweep share one machine. */
const longWait = {
  taskQueue: taskQueues.control,
  startToCloseTimeout: '365 days',
  heartbeatTimeout: '30 seconds',
  retry: { ...retry, maximumInterval: '1 minute' },
} as const;

/** Watches other runs without changing them, so a cancellation does not wait for it. */
export const watching = checkedActivities<Pick<ControlActivities, 'watchVariants'>>({
  ...longWait,
  cancellationType: ActivityCancellationType.TRY_CANCEL,
});

/** Waits for a run that this sweep did not start. A cancellation also cancels a run that the sweep started earlier. */
export const sweepRuns = checkedActivities<Pick<ControlActivities, 'joinRun'>>({ ...longWait, cancellationType });

/** Sends a notification, retried for an hour. The workflow does not wait for it. */
export const notifying = checkedActivities<Pick<ControlActivities, 'notify'>>({
  taskQueue: taskQueues.control,
  startToCloseTimeout: '1 minute',
  scheduleToCloseTimeout: '1 hour',
  retry: { ...retry, maximumInterval: '5 minutes' },
});

/** Records how a run ended. The run ends without it if the disk does not answer. */
export const recording = checkedActivities<Pick<ControlActivities, 'recordFailure' | 'recordCancellation'>>({
  taskQueue: taskQueues.control,
  startToCloseTimeout: '30 seconds',
  scheduleToCloseTimeout: '1 minute',
  retry,
});

/** Downloads, checks and conversions of the data set and the weights. */
export const transfer = checkedActivities<Pick<ControlActivities, 'fetchDataset' | 'fetchWeights'>>({
  taskQueue: taskQueues.control,
  startToCloseTimeout: '3 days',
  heartbeatTimeout: '30 seconds',
  cancellationType,
  retry: retryForDays,
});

/** Checks the machine that will train. Waits while it trains another run. */
export const inspection = checkedActivities<Pick<GpuActivities, 'checkMachine' | 'checkSharedStorage'>>({
  taskQueue: taskQueues.gpu,
  startToCloseTimeout: '10 minutes',
  heartbeatTimeout: '10 seconds',
  retry: retryForMinutes,
});

/** Uploads the files of a finished run to the artifact store, from the machine that has them. */
export const mirroring = checkedActivities<Pick<GpuActivities, 'mirrorRun'>>({
  taskQueue: taskQueues.gpu,
  startToCloseTimeout: '3 days',
  heartbeatTimeout: '30 seconds',
  cancellationType,
  retry: retryForDays,
});

/** A training attempt of days. Never retried by Temporal: the workflow decides after each attempt and records why. */
export const training = checkedActivities<Pick<GpuActivities, 'runTraining' | 'joinTraining'>>({
  taskQueue: taskQueues.gpu,
  startToCloseTimeout: '14 days',
  // Detects a dead worker within 10 s. A false alarm is harmless: the trainer survives and the next attempt adopts it.
  heartbeatTimeout: '10 seconds',
  cancellationType,
  retry: { maximumAttempts: 1 },
});

/** Returns the queue of the first host for work on one machine; the shared queue if the run names no hosts. */
export const onLeader = (plan: RunPlan): { taskQueue?: string } => {
  const [leader] = hostsOf(plan);
  return leader === undefined ? {} : onHost(leader);
};

export const onHost = (host: string): { taskQueue: string } => ({ taskQueue: hostQueue(host) });

/** Returns the priority among tasks that wait for a worker. A lower number runs first, as in the GPU queue. */
export const queuePriority = (ofRun = 3, before = 0) => ({ priorityKey: Math.max(1, ofRun - before) });

/**
 * The COCO test of up to an hour, and the export of the tested weights. Retries are cheap: they adopt a running test and
 * do not repeat inference.
 */
export const testing = checkedActivities<Pick<GpuActivities, 'runTest' | 'exportDetector'>>({
  taskQueue: taskQueues.gpu,
  startToCloseTimeout: '1 day',
  heartbeatTimeout: '10 seconds',
  cancellationType,
  retry: retryUntilDecided,
});

/** Reads and writes of the model registry. Retried for an hour, to survive an outage of the artifact store. */
export const registry = checkedActivities<
  Pick<ControlActivities, 'detectChanges' | 'evaluateGate' | 'readModel' | 'readVersion' | 'changeModel'>
>({
  taskQueue: taskQueues.control,
  startToCloseTimeout: '1 hour',
  heartbeatTimeout: '10 seconds',
  retry: { ...retry, maximumInterval: '1 minute', maximumAttempts: 60 },
});

/** A signal to another workflow. */
export const triggering = checkedActivities<Pick<ControlActivities, 'sendTrigger'>>({
  taskQueue: taskQueues.control,
  startToCloseTimeout: '1 minute',
  retry: { ...retry, maximumInterval: '1 minute' },
});

/** Waits for a run that another workflow started, for as long as it trains. */
export const runWatch = checkedActivities<Pick<ControlActivities, 'waitForRun'>>({ ...longWait, cancellationType });

/** Publishes a finished run to the registry, from the machine that has its files. */
export const publishing = checkedActivities<Pick<GpuActivities, 'publishCandidate'>>({
  taskQueue: taskQueues.gpu,
  startToCloseTimeout: '1 day',
  heartbeatTimeout: '10 seconds',
  cancellationType,
  retry: retryForDays,
});

/** Waits for free disk space, up to 30 days. */
export const diskSpace = checkedActivities<Pick<GpuActivities, 'waitForSpace'>>({
  taskQueue: taskQueues.gpu,
  startToCloseTimeout: '30 days',
  heartbeatTimeout: '10 seconds',
  cancellationType,
  retry: { ...retry, maximumInterval: '1 minute' },
});

/** Waits until a person has reset or replaced a GPU, up to 30 days. */
export const gpuHealth = checkedActivities<Pick<GpuActivities, 'waitForGpus'>>({
  taskQueue: taskQueues.gpu,
  startToCloseTimeout: '30 days',
  heartbeatTimeout: '10 seconds',
  cancellationType,
  retry: { ...retry, maximumInterval: '1 minute' },
});

/** Stops the jobs that a run left running. The trainer has 45 s to save. A dead worker does not keep the run open. */
export const stopping = checkedActivities<Pick<GpuActivities, 'stopJobs'>>({
  taskQueue: taskQueues.gpu,
  scheduleToCloseTimeout: '15 minutes',
  heartbeatTimeout: '10 seconds',
  retry: { ...retry, maximumInterval: '10 seconds' },
});
