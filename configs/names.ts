/** All names of the public interface. No other file writes them as literals. */

export const taskQueues = { control: 'everswin', gpu: 'everswin-gpu' } as const;

/** Tasks for the GPU worker of one machine, which has been told this name of it. */
export const hostQueue = (host: string): string => `${taskQueues.gpu}-${host}`;

export const workflowTypes = {
  trainDetector: 'trainDetector',
  evaluateDetector: 'evaluateDetector',
  retrainDetector: 'retrainDetector',
  triggerRetrain: 'triggerRetrain',
  compareRecipes: 'compareRecipes',
} as const;

export const statusQueryName = 'status';
/** Queried by the training activity, which writes the answer to the control file of the trainer. */
export const controlQueryName = 'control';
export const progressSignalName = 'progress';
/** Sent by an activity whose job waits for GPUs, with the holders as text; null when it has them. */
export const waitingSignalName = 'waiting';

/** Requests a check for changes from a retraining. Sent with a start, so that several triggers cause one training. */
export const triggerSignalName = 'trigger';

/** Updates that decide on a candidate. */
export const approvalUpdateNames = { approve: 'approve', reject: 'reject' } as const;

/** Updates that control a running training. */
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

/** The training of a model has the name of what it is made of: the same training is the same run, whoever asks for it. */
export const candidateRun = (model: string, fingerprint: string): string => `${model}-${fingerprint.slice(0, 12)}`;

/** One retraining of a model at a time. */
export const retrainId = (model: string): string => `retrain:${model}`;
/** A sweep's variants are runs of their own, `train:<sweep>-<variant>`. */
export const compareId = (sweep: string): string => `compare:${sweep}`;

export const namespace = 'default';

/** Of the environment: whoever may ask for a retraining over HTTP knows what it holds. No other process of the stack gets it. */
export const hookTokenVariable = 'EVERSWIN_HOOK_TOKEN';

/** Where a retraining of a model is asked for over HTTP, at the hook of the embedded stack. */
export const hookPath = (model: string): string => `/hooks/retrain/${model}`;

/** Paths of the pages that the embedded stack serves. */
export const pagePaths = {
  runs: '/',
  models: '/models',
  model: (model: string): string => `/models/${model}`,
  run: (runId: string): string => `/runs/${runId}/`,
  /** The part of a run's page that changes while it trains, beside that page. */
  fragment: 'live',
} as const;

/** Keys of the artifact store. */
export const objectKeys = {
  manifest: (runId: string): string => `runs/${runId}/manifest.json`,
  report: (runId: string, file: string): string => `runs/${runId}/report/${file}`,
  comparison: (sweep: string, file: string): string => `comparisons/${sweep}/${file}`,
} as const;

/** Of the registry in the artifact store. */
export const modelsRoot = 'models/';

/** Keys of a model in the registry. */
export const modelKeys = (model: string) => {
  const root = `${modelsRoot}${model}`;
  const versions = `${root}/versions/`;
  return {
    state: `${root}/state.json`,
    versions,
    version: (id: string): string => `${versions}${id}/version.json`,
    versionFile: (id: string, file: string): string => `${versions}${id}/${file}`,
    verdict: (sha256: string): string => `${root}/verdicts/${sha256}.json`,
  };
};
