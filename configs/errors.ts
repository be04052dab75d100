/**
 * The closed catalogue of everything that can go wrong on purpose. Plain data: `docs/errors.md` says the same and a
 * test holds the two together in both directions. The code travels as `ApplicationFailure.type` through Temporal.
 */
export interface ErrorEntry {
  /** May Temporal try the same call again, with nothing changed? */
  readonly retryable: boolean;
  readonly meaning: string;
  readonly nextStep: string;
}

export const errorCatalogue = {
  InvalidInput: {
    retryable: false,
    meaning: 'The run input breaks its schema; every problem is listed with its path.',
    nextStep: 'Correct the listed fields and start the run again.',
  },
  UnknownRecipe: {
    retryable: false,
    meaning: 'The input names a recipe that configs/mmdet does not hold, or that MMEngine cannot read.',
    nextStep: 'Use one of the listed recipes, or add yours to configs/mmdet and restart the workers.',
  },
  NotInCatalog: {
    retryable: false,
    meaning: 'The input names a data set or weights that configs/catalog.json does not hold.',
    nextStep: 'Use one of the listed ids, or add an entry to configs/catalog.json and restart the workers.',
  },
  PlanStopped: {
    retryable: false,
    meaning: 'The dry run found something that would make the run fail or be in vain: the message lists it.',
    nextStep: 'Do what the lines say; `npm run start -- RUN.json --force` starts it all the same.',
  },
  PlanChanged: {
    retryable: false,
    meaning: 'The run folder holds checkpoints of a different plan (recipe, data, seed, GPUs or epochs changed).',
    nextStep: 'Give the changed run a new name, or allow the change in recovery.mayChange.',
  },
  DownloadFailed: {
    retryable: true,
    meaning: 'A download broke off or the server answered 5xx; what arrived is kept and resumed.',
    nextStep: 'Nothing, it is tried again. If it persists, check the network and the address.',
  },
  DownloadRefused: {
    retryable: false,
    meaning:
      'The server refused the file (4xx), redirected without end or sent a web page instead of it; or a file of your own is not there.',
    nextStep: 'Check the address in the input or in configs/catalog.json, and whether it needs a login.',
  },
  SourceChanged: {
    retryable: true,
    meaning: 'The file on the server changed while it was being fetched; the partial file was thrown away.',
    nextStep: 'Nothing, it starts from zero. If it persists, the source is not stable: use a mirror.',
  },
  ChecksumMismatch: {
    retryable: true,
    meaning: 'The downloaded file has the wrong size or sha256; it was deleted and never used.',
    nextStep: 'Nothing, it is fetched again. If it persists, the source holds another file than the catalog.',
  },
  DatasetInvalid: {
    retryable: false,
    meaning: 'The data set is not whole or not COCO: the message lists what is wrong, image by image where it can.',
    nextStep: 'Mend the images or annotations that the message names, or the entry of the data set.',
  },
  StoreUnavailable: {
    retryable: true,
    meaning: 'The artifact store did not answer, or answered with an error of its own; nothing was lost.',
    nextStep: 'Nothing, it is tried again. If it persists, check the address of the store and the network.',
  },
  StoreRefused: {
    retryable: false,
    meaning: 'The artifact store refuses: there is no such bucket, or the credentials of the worker do not suffice.',
    nextStep: 'Check the address in `artifacts.store`, and the credentials in the environment of the worker.',
  },
  StoreConflict: {
    retryable: false,
    meaning: 'Somebody else wrote the same pointer of the artifact store in the meantime; theirs stands.',
    nextStep: 'Nothing, the newer writer goes on. If no other worker runs this run, start it again.',
  },
  StoreDamaged: {
    retryable: true,
    meaning: 'An object of the artifact store has another size or sha256 than was recorded; it is not used.',
    nextStep: 'Nothing, an older copy or the source is used. If it persists, delete the object that the message names.',
  },
  NotComparable: {
    retryable: false,
    meaning: 'The runs cannot be compared: one is not finished, or they were not tested on the same images.',
    nextStep: 'Compare finished runs of one test set; the message says what differs.',
  },
  WeightsMismatch: {
    retryable: false,
    meaning: 'The weights do not fit the model of the recipe; MMDetection would have loaded them silently.',
    nextStep: 'Name the weights that belong to the recipe; the message lists the keys and shapes that differ.',
  },
  WeightsRefused: {
    retryable: false,
    meaning: 'The weights file is damaged or holds code that torch.load(weights_only=True) refuses to run.',
    nextStep: 'Do not use this file; fetch the weights from a source you trust.',
  },
  DiskFull: {
    retryable: true,
    meaning: 'There is no space left for what the message names; everything whole was kept.',
    nextStep: 'Free space on the named disk; the run goes on by itself.',
  },
  TrainerLocked: {
    retryable: false,
    meaning: 'Another trainer works in the same run folder.',
    nextStep: 'Wait until it ends, or stop the process that the message names.',
  },
  TrainerNoProgress: {
    retryable: false,
    meaning: 'The trainer ended three times in a row without a new checkpoint.',
    nextStep: 'Read the cause in the message and the log it names; start the run again when it is mended.',
  },
  TrainingDiverged: {
    retryable: false,
    meaning: 'The loss became NaN or infinite again after every step back that the plan allows.',
    nextStep: 'Lower the learning rate or lengthen the warm-up in the recipe and start it under a new name.',
  },
  OutOfGpuMemory: {
    retryable: false,
    meaning: 'The GPU memory does not suffice, with the smallest batch that the plan allows.',
    nextStep: 'End other processes on the GPU, or lower batchPerGpu and start it under a new name.',
  },
  TrainingFailed: {
    retryable: false,
    meaning: 'The trainer failed in a way that another attempt would not mend; the message names the cause.',
    nextStep: 'Do what the message says and start the run again: it goes on from its newest checkpoint.',
  },
  TrainerCommandFailed: {
    retryable: true,
    meaning: 'A short command of the trainer (weights check, recipe, test) ended with an error.',
    nextStep: 'Read the log lines in the message.',
  },
  TrainerMissing: {
    retryable: false,
    meaning: 'The Python environment of the trainer is not installed.',
    nextStep: 'Run `npm run up` once on this machine; it installs what is missing.',
  },
  WorkerStopping: {
    retryable: true,
    meaning: 'The worker was told to stop; the trainer it watched goes on by itself.',
    nextStep: 'Nothing, the next worker finds the trainer and goes on watching it.',
  },
  WorkerLost: {
    retryable: true,
    meaning: 'The worker that watched the trainer died; the next worker on the same machine found that out.',
    nextStep: 'Nothing, the trainer is adopted if it lives, or resumed.',
  },
  StaleAttempt: {
    retryable: false,
    meaning: 'A newer attempt took over this run; this one publishes nothing and stops nothing.',
    nextStep: 'Nothing, the newer attempt goes on.',
  },
  NotifyFailed: {
    retryable: true,
    meaning: 'A notification was not taken: nobody answered, or the server has an error of its own. The run goes on.',
    nextStep:
      'Nothing, it is tried again for a while. If it persists, check the address in the environment of the worker.',
  },
  NotifyRefused: {
    retryable: false,
    meaning:
      'A notification cannot be sent: its address is not set, not secure, redirects, or refuses it. The run goes on.',
    nextStep: 'Check the EVERSWIN_NOTIFY_… variables that the message names, in the environment of the control worker.',
  },
  UnexpectedResult: {
    retryable: false,
    meaning:
      'An activity returned a result that the workflow does not understand; the trainer was asked to save and stop.',
    nextStep: 'Run one version of everswin on all workers, complete no activity by command, and start the run again.',
  },
  Unexpected: {
    retryable: true,
    meaning: 'An error that this catalogue does not know: a defect of everswin or of its surroundings.',
    nextStep: 'Please report it with the stack trace shown in the Temporal UI.',
  },
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof errorCatalogue;

export const nonRetryableCodes: ErrorCode[] = (Object.keys(errorCatalogue) as ErrorCode[]).filter(
  (code) => !errorCatalogue[code].retryable,
);
