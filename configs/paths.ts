/** Where everything lies on disk: the one module that knows. Pure strings, so every side may use it. */

/** The folder of one process tree (docs/trainer-contract.md): the trainer, or the test. */
export const jobFolder = (dir: string) => ({
  dir,
  owner: `${dir}/owner.json`,
  exit: `${dir}/exit.json`,
  fences: `${dir}/fences`,
  progress: `${dir}/progress.jsonl`,
  log: `${dir}/trainer.log`,
  /** What the ranks beside the first say: `<fence>-rank-<number>.log`. */
  rankLogs: `${dir}/ranks`,
  /** For which GPUs its supervisor waits, and for whom. */
  waiting: `${dir}/waiting.json`,
  control: `${dir}/control.json`,
  /** Who watches this job on behalf of which activity task. */
  watcher: `${dir}/watcher.json`,
  checkpoints: `${dir}/checkpoints`,
  quarantine: `${dir}/checkpoints/quarantine`,
  /** One file for each failure: the end of the log as it was then. */
  failures: `${dir}/failures`,
});
export type JobFolder = ReturnType<typeof jobFolder>;

export const runFolder = (home: string, runId: string) => {
  const root = `${home}/runs/${runId}`;
  return {
    root,
    plan: `${root}/plan.json`,
    /** Every plan that this run ever had, by hash: tells what changed. */
    plans: (planHash: string) => `${root}/plans/${planHash}.json`,
    recipe: `${root}/recipe.json`,
    /** What the run needs of the worker's store. */
    references: `${root}/references.json`,
    /** The run manifest: everything that went in and came out, by hash. */
    manifest: `${root}/manifest.json`,
    train: jobFolder(`${root}/train`),
    /** With several hosts: the part of each, whose ranks share checkpoints, control file and progress of `train`. */
    hosts: `${root}/train/hosts`,
    host: (name: string) => jobFolder(`${root}/train/hosts/${name}`),
    /** Where the ranks of all hosts meet: Rendezvous of configs/schema. */
    rendezvous: `${root}/train/rendezvous.json`,
    test: jobFolder(`${root}/test`),
    metrics: `${root}/test/metrics.json`,
    /** Per class, curves, errors, gallery: what the report shows beside the metrics. */
    analysis: `${root}/test/analysis.json`,
    /** The scores of resampled test images, for comparisons. */
    bootstrap: `${root}/test/bootstrap.json`,
    report: `${root}/report`,
  };
};
export type RunFolder = ReturnType<typeof runFolder>;

export const homeFolders = (home: string) => ({
  runs: `${home}/runs`,
  /** Everything fetched, packed or converted, by its sha256. */
  objects: `${home}/store/objects`,
  object: (sha256: string) => `${home}/store/objects/${sha256.slice(0, 2)}/${sha256}`,
  /** Objects that were found changed: kept for whoever wants to know why. */
  damaged: `${home}/store/damaged`,
  /** Unfinished downloads, packings and conversions. */
  downloads: `${home}/downloads`,
  /** Hashes that nobody publishes, as the first download recorded them. */
  recordedHashes: `${home}/store`,
  /** Import records of mutable files and folders. */
  imports: `${home}/store/imports`,
  /** Copies of S3 prefixes, so that only what is new there is fetched again. They may be removed at any time. */
  prefixes: `${home}/prefixes`,
  prefix: (urlKey: string) => `${home}/prefixes/${urlKey}`,
  /** State of unfinished uploads. */
  uploads: `${home}/uploads`,
  datasets: `${home}/data`,
  dataset: (contentKey: string) => `${home}/data/${contentKey}`,
  /** Records of the steps that were done. */
  steps: `${home}/steps`,
  store: `${home}/store`,
  /** What the embedded stack's supervisor saw die: one Incident a line. */
  incidents: `${home}/stack/incidents.jsonl`,
  /** Addresses and pids of the running stack. */
  stack: `${home}/stack/stack.json`,
  database: `${home}/stack/temporal.db`,
  logs: `${home}/logs`,
  /** Leases of a machine's GPUs, unless its workers were told another place; several machines may share this home. */
  gpusOf: (host: string | undefined) => (host === undefined ? `${home}/gpus` : `${home}/gpus/${host}`),
  demoFiles: `${home}/demo`,
  /** Pages about runs that were held against each other: of a sweep under its name. */
  comparison: (name: string) => `${home}/comparisons/${name}`,
  /** Data and credentials of the embedded S3 server. */
  objectStore: `${home}/object-store`,
  weed: `${home}/tools/trainer-env/bin/weed`,
  python: `${home}/tools/trainer-env/bin/python`,
  pinnedTemporal: `${home}/tools/trainer-env/bin/temporal`,
});
