/** Every name that the outside world sees. Nothing of it is written as a literal elsewhere. */

export const taskQueues = { control: 'everswin', gpu: 'everswin-gpu' } as const;

export const workflowTypes = { trainDetector: 'trainDetector', evaluateDetector: 'evaluateDetector' } as const;

export const statusQueryName = 'status';
/** Asked by the training activity, which hands the answer on to the trainer. */
export const ordersQueryName = 'orders';
export const progressSignalName = 'progress';
/** From an activity whose job waits for GPUs: for whom, in words; null when it has them. */
export const waitingSignalName = 'waiting';

/** What a person may ask of a running training. */
export const updateNames = {
  pause: 'pause',
  resume: 'resume',
  stopAfterEpoch: 'stopAfterEpoch',
  extendEpochs: 'extendEpochs',
  checkpointNow: 'checkpointNow',
} as const;

/** Temporal search attributes: name -> type, as `temporal operator search-attribute create` takes them. */
export const searchAttributes = {
  Phase: 'Keyword',
  Recipe: 'Keyword',
  Epoch: 'Int',
  BboxMAP: 'Double',
  SegmMAP: 'Double',
  Goodput: 'Double',
  /** Class of the newest failure of a trainer: configs/failures.json. */
  LastFailure: 'Keyword',
} as const;

/** A run trained twice under one name is one run: the workflow id is the business id. */
export const workflowId = (runName: string): string => `train:${runName}`;

/** The evaluation of what a run begins with stands beside that run: another id, another folder. */
export const evaluationId = (runName: string): string => `evaluate:${runName}`;
export const evaluationRun = (runName: string): string => `${runName}.evaluation`;

export const namespace = 'default';

/** Paths of the pages that the embedded stack serves. */
export const pagePaths = {
  run: (runId: string): string => `/runs/${runId}/`,
  /** The part of a run's page that changes while it trains, beside that page. */
  fragment: 'live',
} as const;

/** Keys of the artifact store. */
export const objectKeys = {
  manifest: (runId: string): string => `runs/${runId}/manifest.json`,
  report: (runId: string, file: string): string => `runs/${runId}/report/${file}`,
} as const;
