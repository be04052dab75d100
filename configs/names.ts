/** All names of the public interface. No other file writes them as literals. */
import { defaultDeployment, deployment } from './deployment.ts';

export const taskQueues = { control: deployment, gpu: `${deployment}-gpu` } as const;

/** Returns the queue for tasks of one machine. Its GPU worker has the name in EVERSWIN_HOST. */
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
/** Begins the name of a progress signal that says what was measured: the timeline of the Temporal UI shows only names. */
export const namedProgressPrefix = `${progressSignalName}: `;
/** Sent by an activity whose job waits for GPUs, with the holders as text; null when it has them. */
export const waitingSignalName = 'waiting';

/** Sent by a training activity when the health of a GPU changes, with all GPUs that are not healthy. */
export const gpuHealthSignalName = 'gpuHealth';

/** Sent by a run that waits for a person, to the sweep or retraining that started it: a RunQuestion. */
export const questionSignalName = 'question';

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
  startOver: 'startOver',
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

/** Begins every workflow id of this deployment. The ids of the default deployment have no prefix. */
export const workflowIdPrefix = deployment === defaultDeployment ? '' : `${deployment}:`;

/** Returns the workflow id of a run. Two starts with the same name are one run. */
export const workflowId = (runName: string): string => `${workflowIdPrefix}train:${runName}`;

/** The evaluation of a run's starting weights has its own workflow id and folder, next to those of the run. */
export const evaluationId = (runName: string): string => `${workflowIdPrefix}evaluate:${runName}`;
export const evaluationRun = (runName: string): string => `${runName}.evaluation`;

/** Returns the run name of a candidate. It contains the fingerprint, so equal trainings are the same run. */
export const candidateRun = (model: string, fingerprint: string): string => `${model}-${fingerprint.slice(0, 12)}`;

/** Returns the workflow id of a retraining: one per model at a time. */
export const retrainId = (model: string): string => `${workflowIdPrefix}retrain:${model}`;
/** Returns the workflow id of a sweep. Its variants are separate runs, `train:<sweep>-<variant>`. */
export const compareId = (sweep: string): string => `${workflowIdPrefix}compare:${sweep}`;

export const namespace = 'default';

/** Matches the name of a deployment. No word `gpu`, so that no queue of one deployment is that of another. */
export const deploymentPattern = /^(?!.*\bgpu\b)(?!(?:train|evaluate|retrain|compare)$)[a-z0-9]+(?:-[a-z0-9]+)*$/;

/** Query of the workflows of this deployment. Search attributes have the same names in all deployments. */
export const ownWorkflows = `TaskQueue = '${taskQueues.control}'`;

/** Matches the `host:port` of a server. */
export const addressPattern = /^[^\s/]+:(?:[1-9]\d{0,3}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d\d|655[0-2]\d|6553[0-5])$/;
export const expectedAddress = 'Expected HOST:PORT without http://, and a port from 1 to 65535';

/** Environment variable with the token for retraining requests over HTTP. Only the process that serves them gets it. */
export const hookTokenVariable = 'EVERSWIN_HOOK_TOKEN';

/** Environment variable with the token of the codec server, which permits to decrypt. */
export const codecTokenVariable = 'EVERSWIN_CODEC_TOKEN';

/** Environment variables that hold the keys of encrypted payloads, or say where they are. At most one is set. */
export const encryptionVariables = {
  keys: 'EVERSWIN_ENCRYPTION_KEYS',
  file: 'EVERSWIN_ENCRYPTION_KEYS_FILE',
  command: 'EVERSWIN_ENCRYPTION_KEYS_COMMAND',
} as const;
export const keyVariables: readonly string[] = Object.values(encryptionVariables);

/** Returns the path that accepts retraining requests over HTTP, at the hook of the embedded stack. */
export const hookPath = (model: string): string => `/hooks/retrain/${model}`;

/** Paths of the pages that the embedded stack serves. */
export const pagePaths = {
  runs: '/',
  models: '/models',
  model: (model: string): string => `/models/${model}`,
  run: (runId: string): string => `/runs/${runId}/`,
  /** Comparison of runs: `?run=NAME&run=NAME`. */
  compare: '/compare',
  /** Part of a run's page that changes during training, relative to that page. */
  fragment: 'live',
} as const;

/** Keys of the artifact store. */
export const objectKeys = {
  manifest: (runId: string): string => `runs/${runId}/manifest.json`,
  report: (runId: string, file: string): string => `runs/${runId}/report/${file}`,
  detector: (runId: string): string => `runs/${runId}/detector`,
  comparison: (sweep: string, file: string): string => `comparisons/${sweep}/${file}`,
} as const;

/** Key prefix of the registry in the artifact store. */
export const modelsRoot = 'models/';

/** Returns the keys of a model in the registry. */
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
