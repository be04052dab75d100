/**
 * Catalogue of the errors that a run can end with. The code is the `type` of the ApplicationFailure. `npm run contract`
 * writes docs/reference/errors.md from it.
 */
interface ErrorEntry {
  /** Whether Temporal may retry the same call unchanged. */
  readonly retryable: boolean;
  readonly meaning: string;
  readonly nextStep: string;
}

/** Separates what happened from the next step in the message of an error. */
export const nextStepMark = '\nNext: ';

export const errorCatalogue = {
  InvalidInput: {
    retryable: false,
    meaning: 'The input does not match its schema. The message lists every problem with its path.',
    nextStep: 'Correct the listed fields and start the run again.',
  },
  UnknownRecipe: {
    retryable: false,
    meaning: 'The input names a recipe that is not in configs/mmdet, or that MMEngine cannot read.',
    nextStep: 'Use one of the listed recipes, or add yours to configs/mmdet and restart the workers.',
  },
  NotInCatalog: {
    retryable: false,
    meaning: 'The input names a data set or weights that are not in configs/catalog.json.',
    nextStep: 'Use one of the listed ids, or add an entry to configs/catalog.json and restart the workers.',
  },
  WeightsNotFound: {
    retryable: false,
    meaning:
      'The run, model version or file that `weights.detector` names does not exist, has not finished, or is of another model.',
    nextStep: 'Follow the message: it lists what exists, or names the recipe that fits.',
  },
  PlanStopped: {
    retryable: false,
    meaning: 'The dry run found errors that would make the run fail. The message lists them.',
    nextStep: 'Follow the remedy of each line, or start the run anyway with `everswin start RUN.json --force`.',
  },
  PlanChanged: {
    retryable: false,
    meaning: 'The run folder holds checkpoints of a different plan: recipe, data, seed, GPUs or epochs changed.',
    nextStep: 'Give the changed run a new name, or allow the change in recovery.mayChange.',
  },
  DownloadFailed: {
    retryable: true,
    meaning: 'A download was interrupted or the server answered 5xx. The received bytes are kept.',
    nextStep: 'Nothing: the download resumes. If it keeps failing, check the network and the address.',
  },
  DownloadRefused: {
    retryable: false,
    meaning:
      'The server rejected the request (4xx), redirected in a loop or sent a web page; or a local file is missing.',
    nextStep: 'Check the address in the input or in configs/catalog.json, and whether it needs a login.',
  },
  SourceChanged: {
    retryable: true,
    meaning: 'The file on the server changed during the download. The partial file was deleted.',
    nextStep: 'Nothing: the download starts from zero. If it keeps failing, use a mirror with a stable file.',
  },
  ChecksumMismatch: {
    retryable: true,
    meaning: 'The downloaded file has the wrong size or sha256. It was deleted and never used.',
    nextStep:
      'Nothing: the file is downloaded again. If it keeps failing, the source and the catalog name different files.',
  },
  DatasetInvalid: {
    retryable: false,
    meaning:
      'The data set is incomplete or not in COCO format. The message lists the problems, by image where possible.',
    nextStep: 'Fix the images or annotations that the message names, or correct their paths in the input.',
  },
  StoreUnavailable: {
    retryable: true,
    meaning: 'The artifact store did not answer, or answered with a server error. Nothing was lost.',
    nextStep: 'Nothing: the request is retried. If it keeps failing, check the address of the store and the network.',
  },
  StoreRefused: {
    retryable: false,
    meaning: 'The artifact store rejected the request: the bucket does not exist, or the credentials do not allow it.',
    nextStep: 'Check `artifacts.store` in the input and the credentials in the environment of the worker.',
  },
  StoreConflict: {
    retryable: false,
    meaning: 'Another writer updated the same pointer in the artifact store first. Its value is kept.',
    nextStep: 'Nothing: the newer writer continues. If no other worker runs this run, start it again.',
  },
  StoreDamaged: {
    retryable: true,
    meaning: 'An object in the artifact store has a different size or sha256 than recorded. It is not used.',
    nextStep:
      'Nothing: an older copy or the source is used. If it keeps failing, delete the object that the message names.',
  },
  NotComparable: {
    retryable: false,
    meaning: 'The runs cannot be compared: one is not finished, or they were tested on different images.',
    nextStep: 'Name finished runs that were tested on the same images. `everswin status` lists the runs.',
  },
  WeightsMismatch: {
    retryable: false,
    meaning: 'The weights do not fit the model of the recipe. MMDetection would load them without a warning.',
    nextStep: 'Name weights that belong to the recipe. The message lists the keys and shapes that differ.',
  },
  WeightsRefused: {
    retryable: false,
    meaning:
      'The weights file is damaged, is no checkpoint, or contains code that torch.load(weights_only=True) does not run.',
    nextStep: 'Name another file: a checkpoint (.pth) or a safetensors file, from a source that you trust.',
  },
  StorageUnavailable: {
    retryable: true,
    meaning: 'A file system cannot be read or written: read-only, no permission, or a failed disk or mount.',
    nextStep:
      'Repair what the message names: the mount, the disk (dmesg, SMART) or the permissions. The run then resumes.',
  },
  DiskFull: {
    retryable: true,
    meaning: 'The disk has no space for the file that the message names. Complete files are kept.',
    nextStep: 'Free space on the named disk. The run then resumes.',
  },
  TrainerLocked: {
    retryable: true,
    meaning: 'Another trainer is running in the same run folder.',
    nextStep: 'Wait until it ends, or stop the process that the message names.',
  },
  TrainerNoProgress: {
    retryable: false,
    meaning: 'The trainer, or a step before or after the training, failed too many times in a row without progress.',
    nextStep: 'Read the cause in the message and the log that it names, fix it, and start the run again.',
  },
  CheckpointsLost: {
    retryable: false,
    meaning:
      'Steps were saved, but no checkpoint of the run is usable any more, or the last one of a finished training is not, on disk or in the artifact store.',
    nextStep:
      'Copy an intact checkpoint and its manifest into the folder that the message names, and start the run again.',
  },
  TrainingDiverged: {
    retryable: false,
    meaning: 'The loss became NaN or infinite again after every rollback that the plan allows.',
    nextStep: 'Lower `learningRate` in the input or lengthen the warm-up in the recipe, and start it under a new name.',
  },
  OutOfGpuMemory: {
    retryable: false,
    meaning: 'The GPU memory is too small, even for the smallest batch that the plan allows.',
    nextStep: 'End other processes on the GPU, or lower batchPerGpu and start the run under a new name.',
  },
  TrainingFailed: {
    retryable: false,
    meaning: 'The trainer failed in a way that another attempt would not fix. The message names the cause.',
    nextStep: 'Follow the message and start the run again. It resumes from its newest checkpoint.',
  },
  TrainerCommandFailed: {
    retryable: true,
    meaning: 'A short command of the trainer (weights check, recipe, test) failed.',
    nextStep: 'Read the log lines in the message.',
  },
  TrainerMissing: {
    retryable: false,
    meaning: 'The Python environment of the trainer is not installed.',
    nextStep: 'Run `everswin up` once on this machine. It installs what is missing.',
  },
  WorkerStopping: {
    retryable: true,
    meaning: 'The worker is shutting down. Its trainer keeps running.',
    nextStep: 'Nothing: the next worker adopts the trainer.',
  },
  WorkerLost: {
    retryable: true,
    meaning: 'The worker that watched the trainer died. The next worker on the same machine reported it.',
    nextStep: 'Nothing: the trainer is adopted if it is running, and resumed otherwise.',
  },
  RunFolderLost: {
    retryable: true,
    meaning: 'The folder of the run, or its fences, was deleted while the run trained.',
    nextStep: 'Nothing: the trainer saves into a new folder, and the run continues from there.',
  },
  StaleAttempt: {
    retryable: true,
    meaning: 'A newer attempt took over this run. The older one publishes nothing and stops nothing.',
    nextStep: 'Nothing: the newer attempt continues.',
  },
  NotifyFailed: {
    retryable: true,
    meaning: 'A notification was not accepted: no server answered, or the server has an error. The run continues.',
    nextStep:
      'Nothing: it is retried for an hour. If it keeps failing, check the address in the environment of the worker.',
  },
  NotifyRefused: {
    retryable: false,
    meaning:
      'A notification cannot be sent: its address is missing, insecure, redirects or rejects it. The run continues.',
    nextStep: 'Check the EVERSWIN_NOTIFY_… variables that the message names, in the environment of the control worker.',
  },
  PayloadUnreadable: {
    retryable: true,
    meaning:
      'A worker or a command cannot decrypt a payload: it lacks the key, has another key with the same id, or the payload was changed. The run waits and loses nothing.',
    nextStep:
      'Give all workers and commands of the deployment the same keys (docs/how-to/encrypt.md), and restart the worker that the message is from.',
  },
  UnexpectedResult: {
    retryable: false,
    meaning:
      'An activity returned a result that the workflow does not understand. The trainer was asked to save and stop.',
    nextStep: 'Run one version of everswin on all workers, complete no activity by command, and start the run again.',
  },
  Unexpected: {
    retryable: true,
    meaning: 'An error that is not in this catalogue: a defect of everswin or of its environment.',
    nextStep: 'Please report it with the stack trace that the Temporal UI shows.',
  },
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof errorCatalogue;

/** Returns whether an error of this type is a verdict: the same call would end in the same way. */
export const isVerdict = (type: string | null | undefined): boolean => nonRetryableCodes.some((code) => code === type);

export const nonRetryableCodes: ErrorCode[] = (Object.keys(errorCatalogue) as ErrorCode[]).filter(
  (code) => !errorCatalogue[code].retryable,
);
