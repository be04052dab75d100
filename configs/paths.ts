/** All paths on disk. Pure string functions, so workflows may import them too. */

/** Returns the paths of a job folder: the trainer or the test (docs/reference/trainer-contract.md). */
export const jobFolder = (dir: string) => ({
  dir,
  owner: `${dir}/owner.json`,
  exit: `${dir}/exit.json`,
  /** Exists from the moment the supervisor is asked to stop. */
  stop: `${dir}/stop`,
  fences: `${dir}/fences`,
  progress: `${dir}/progress.jsonl`,
  log: `${dir}/trainer.log`,
  /** Heartbeat of a rank; it is rewritten at each step. */
  heartbeat: (rank: number) => `${dir}/heartbeats/${rank}`,
  /** Logs of all ranks except the first: `<fence>-rank-<number>.log`. */
  rankLogs: `${dir}/ranks`,
  /** GPUs that the supervisor waits for, and their holders. */
  waiting: `${dir}/waiting.json`,
  control: `${dir}/control.json`,
  /** Worker and activity task that watch this job. */
  watcher: `${dir}/watcher.json`,
  checkpoints: `${dir}/checkpoints`,
  quarantine: `${dir}/checkpoints/quarantine`,
  /** One file per failure: the end of the log at that time. */
  failures: `${dir}/failures`,
});
export type JobFolder = ReturnType<typeof jobFolder>;

export const runFolder = (home: string, runId: string) => {
  const root = `${home}/runs/${runId}`;
  return {
    root,
    plan: `${root}/plan.json`,
    /** Every plan that this run has had, by hash, to report what changed. */
    plans: (planHash: string) => `${root}/plans/${planHash}.json`,
    recipe: `${root}/recipe.json`,
    /** Objects of the worker's store that the run needs. */
    references: `${root}/references.json`,
    /** Why the run failed; absent while it runs and once it has finished. */
    failure: `${root}/failure.json`,
    /** When the run was cancelled; absent otherwise. */
    cancelled: `${root}/cancelled.json`,
    /** The run manifest: all inputs and outputs, by hash. */
    manifest: `${root}/manifest.json`,
    train: jobFolder(`${root}/train`),
    /** Job folders of a multi-host run. All ranks share checkpoints, control file and progress of `train`. */
    hosts: `${root}/train/hosts`,
    host: (name: string) => jobFolder(`${root}/train/hosts/${name}`),
    /** Rendezvous of all hosts; its schema is Rendezvous of configs/schema. */
    rendezvous: `${root}/train/rendezvous.json`,
    test: jobFolder(`${root}/test`),
    /** Newest reading of the GPUs while they train: GpuHealth. */
    gpus: `${root}/train/gpus.json`,
    /** Changes in the health of the GPUs: one GpuHealthChange per line. */
    gpuHealth: `${root}/train/gpu-health.jsonl`,
    metrics: `${root}/test/metrics.json`,
    /** Scores per class, curves, errors and gallery for the report. */
    analysis: `${root}/test/analysis.json`,
    /** Scores of resampled test images, for comparisons. */
    bootstrap: `${root}/test/bootstrap.json`,
    report: `${root}/report`,
    /** The trained detector, for MMDetection. */
    detector: `${root}/detector`,
  };
};
export type RunFolder = ReturnType<typeof runFolder>;

export const homeFolders = (home: string) => ({
  runs: `${home}/runs`,
  /** All fetched, packed and converted files, by sha256. */
  objects: `${home}/store/objects`,
  object: (sha256: string) => `${home}/store/objects/${sha256.slice(0, 2)}/${sha256}`,
  /** Objects whose content changed, kept for inspection. */
  damaged: `${home}/store/damaged`,
  /** Unfinished downloads, archives and conversions. */
  downloads: `${home}/downloads`,
  /** Unpublished hashes, recorded at the first download. */
  recordedHashes: `${home}/store`,
  /** Import records of mutable files and folders. */
  imports: `${home}/store/imports`,
  /** Copies of S3 prefixes, so that only new objects are fetched. They may be removed at any time. */
  prefixes: `${home}/prefixes`,
  prefix: (urlKey: string) => `${home}/prefixes/${urlKey}`,
  /** State of unfinished uploads. */
  uploads: `${home}/uploads`,
  datasets: `${home}/data`,
  dataset: (contentKey: string) => `${home}/data/${contentKey}`,
  /** Results of cached steps. */
  steps: `${home}/steps`,
  store: `${home}/store`,
  /** Processes of the embedded stack that died: one Incident per line. */
  incidents: `${home}/stack/incidents.jsonl`,
  /** Addresses and pids of the running stack. */
  stack: `${home}/stack/stack.json`,
  database: `${home}/stack/temporal.db`,
  logs: `${home}/logs`,
  /** GPU leases of a machine, unless its workers use another folder. Several machines may share this home. */
  gpusOf: (host: string | undefined) => (host === undefined ? `${home}/gpus` : `${home}/gpus/${host}`),
  /** Trainings that repeat a part of a run: one folder each. */
  verifications: `${home}/verifications`,
  demoFiles: `${home}/demo`,
  /** Pages of a comparison; those of a sweep have its name. */
  comparison: (name: string) => `${home}/comparisons/${name}`,
  /** Data and credentials of the embedded S3 server. */
  objectStore: `${home}/object-store`,
  /** A program of the trainer's environment, in a home that has its own. */
  tool: (name: string) => `${home}/tools/trainer-env/bin/${name}`,
});
