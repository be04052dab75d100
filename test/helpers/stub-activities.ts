/** Activities that succeed at once, and sample results. */
import { Context } from '@temporalio/activity';
import type { ControlActivities, GpuActivities } from '../../activities/index.ts';
import { withCodedFailures } from '../../activities/shared/temporal/failure.ts';
import { createJoinRun } from '../../activities/sweep/join-run.ts';
import { createStopVariant } from '../../activities/sweep/stop-variant.ts';
import { createWatchVariants } from '../../activities/sweep/watch-variants.ts';
import { progressSignalName } from '../../configs/names.ts';
import {
  type Attempt,
  type DetectorRef,
  type Failure,
  type FailureReaction,
  type Fingerprint,
  type Progress,
  type ReportRef,
  type TestResult,
} from '../../configs/schema/index.ts';
import { miniDataset, miniPlan, miniWeights } from './mini-run.ts';

export type StubbedActivities = ControlActivities & GpuActivities;

export const anAttempt = (change: Partial<Attempt>): Attempt => ({
  attempt: 1,
  fence: 1,
  outcome: 'finished',
  adopted: false,
  resumedFrom: null,
  fromIteration: 0,
  toIteration: 30,
  checkpointIteration: 30,
  fromEpoch: 0,
  epoch: 3,
  host: 'gpu-a',
  checkpoints: [30],
  quarantined: [],
  cause: null,
  failure: null,
  logTail: [],
  startedAt: 1,
  firstStepAt: 1.2,
  trainerEndedAt: 2,
  endedAt: 2,
  steppingSeconds: 0.5,
  productiveSeconds: 0.5,
  evaluationSeconds: 0,
  ...change,
});

const cocoMetrics = {
  AP: 0.5,
  AP50: 0.7,
  AP75: 0.6,
  APs: 0.3,
  APm: 0.5,
  APl: 0.6,
  AR100: 0.6,
  AR300: 0.6,
  AR1000: 0.6,
  ARs: 0.4,
  ARm: 0.6,
  ARl: 0.7,
};
export const aFailure = (reaction: FailureReaction, tries = 3): Failure => ({
  class: 'sample',
  reaction,
  tries,
  evidence: 'RuntimeError: sample',
  meaning: 'A sample.',
  nextStep: 'Fix it.',
});

export const someMetrics: TestResult = {
  outcome: { step: 'test', hit: false, why: 'not cached, building' },
  v: 1,
  checkpoint: 'e003-i000030.pth',
  checkpointSha256: 'a'.repeat(64),
  images: 24,
  bbox: cocoMetrics,
  segm: cocoMetrics,
  seconds: 1,
};
export const aDetector: DetectorRef = {
  uri: 'file:///runs/mini/detector',
  path: '/runs/mini/detector',
  classes: ['disc'],
  categoryIds: [1],
  files: [],
};
export const aReport: ReportRef = {
  uri: 'file:///report/index.html',
  sha256: 'a'.repeat(64),
  bytes: 10,
  bbox: cocoMetrics,
  segm: cocoMetrics,
  verdict: 'Box AP 50.0 and mask AP 50.0.',
  crashes: 0,
  stepsRepeated: 0,
  goodput: 1,
};

export const someFingerprint: Fingerprint = { sha256: 'f'.repeat(64), parts: { seed: '7' } };

/** Signals progress, as the real activity does at the end of an epoch. */
export const signalProgress = (attempt: number) => {
  const { client, info } = Context.current();
  const progress: Progress = {
    v: 1,
    attempt,
    epoch: 3,
    epochs: 3,
    iteration: 30,
    loss: 0.5,
    lr: 0.001,
    bboxAP: 0.4,
    segmAP: 0.4,
    etaSeconds: 0,
    lastCheckpoint: 'e003-i000030.pth',
    checkpointNow: 0,
    pid: 1,
    remote: null,
  };
  return client.workflow.getHandle(info.workflowExecution?.workflowId ?? '').signal(progressSignalName, progress);
};

/** Stubs that succeed at once. */
export const happyActivities: StubbedActivities = {
  resolvePlan: (input) => Promise.resolve({ ...miniPlan, runId: input.name }),
  checkPlan: () => Promise.resolve([]),
  checkMachine: () => Promise.resolve([]),
  fetchDataset: () => Promise.resolve(miniDataset),
  fetchWeights: () => Promise.resolve(miniWeights),
  runTraining: async ({ attempt }) => {
    await signalProgress(attempt);
    return anAttempt({ attempt });
  },
  checkSharedStorage: () => Promise.resolve({ name: 'shared folder', verdict: 'ok', message: 'seen', remedy: null }),
  joinTraining: () => Promise.resolve({ outcome: 'finished', cause: null }),
  waitForSpace: () => Promise.resolve({ freeBytes: 2, neededBytes: 1 }),
  waitForGpus: ({ known }) => Promise.resolve(known),
  pinPlan: ({ plan }) => Promise.resolve(plan),
  mirrorRun: () => Promise.resolve(),
  stopJobs: () => Promise.resolve(),
  runTest: () => Promise.resolve(someMetrics),
  exportDetector: () => Promise.resolve(aDetector),
  writeReport: () => Promise.resolve(aReport),
  // Retraining: a model without versions, whose data do not change.
  detectChanges: () => Promise.resolve({ fingerprint: someFingerprint, changed: null, last: null, champion: null }),
  evaluateGate: () => Promise.resolve({ passed: true, why: 'passed', evidence: 'e'.repeat(64) }),
  readModel: ({ model }) => Promise.resolve({ v: 1, model, champion: null, candidate: null, history: [] }),
  readVersion: ({ id }) => Promise.reject(new Error(`there is no version ${id}`)),
  changeModel: ({ model }) => Promise.resolve({ v: 1, model, champion: null, candidate: null, history: [] }),
  waitForRun: () => Promise.resolve(),
  sendTrigger: () => Promise.resolve(),
  publishCandidate: ({ runId }) => Promise.resolve(`${runId}@${'0'.repeat(12)}`),
  // The real activities, which only use the server.
  ...withCodedFailures({
    joinRun: createJoinRun(),
    watchVariants: createWatchVariants(200),
    stopVariant: createStopVariant(),
  }),
  notify: () => Promise.resolve(),
  recordFailure: () => Promise.resolve(),
  recordCancellation: () => Promise.resolve(),
  writeComparison: () => Promise.reject(new Error('writeComparison is not stubbed')),
};
