/** Runs the fake trainer under the real supervisor, in a temporary folder and within seconds. */
import { mkdtemp, rm } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import type { ActivityDependencies } from '../../activities/dependencies.ts';
import { createFindWeights } from '../../activities/starting-weights/find-weights.ts';
import { localStore } from '../../activities/shared/store/local-store.ts';
import { isAlive } from '../../activities/shared/trainer/process-identity.ts';
import { StandbyTrainers } from '../../activities/shared/trainer/standby-trainers.ts';
import { resumeArgv, untilArgv } from '../../activities/shared/trainer/trainer-argv.ts';
import { findLiveJob } from '../../activities/shared/trainer/trainer-process.ts';
import { runFolder } from '../../configs/paths.ts';
import type { Catalog } from '../../configs/schema/index.ts';
import { isEvaluation } from '../../configs/schema/plan-weights.ts';
import { miniPlan, miniPreparer } from './mini-plan.ts';
import { fakeTrainerPath, python, recipesFolder } from './project.ts';

export { miniControl, miniDataset, miniInput, miniPlan, miniWeights } from './mini-plan.ts';

export interface MiniRun {
  dependencies: ActivityDependencies;
  folder: ReturnType<typeof runFolder>;
  /** Kills the processes of the run and removes its folder. */
  remove: () => Promise<void>;
}

const noCatalog: Catalog = { redirectHosts: [], datasets: {}, weights: {} };

/** @param switches of `fake_trainer train`, such as `--fail-at-step 5`. */
export async function createMiniRun(...switches: string[]): Promise<MiniRun> {
  const home = await mkdtemp(`${tmpdir()}/everswin-mini-`);
  const folder = runFolder(home, miniPlan.runId);
  const dependencies = miniDependencies(home, ...switches);
  return { dependencies, folder, remove: () => removeRun(home, folder) };
}

/** Creates the dependencies of a worker that runs the fake trainer in a home. */
export function miniDependencies(home: string, ...switches: string[]): ActivityDependencies {
  return {
    home,
    recipesFolder,
    catalog: noCatalog,
    python: { executable: python, env: { PYTHONPATH: fakeTrainerPath, PATH: '/usr/bin:/bin' } },
    programs: {
      train: (_plan, files, job) => [
        ...['-m', 'fake_trainer', 'train', '--plan', files.plan, '--job-dir', job.dir],
        ...resumeArgv(files.resume),
        ...untilArgv(files.until),
        ...switches,
      ],
      test: (plan, files, job) => [
        ...['-m', 'fake_trainer', 'test', '--plan', files.plan, '--job-dir', job.dir],
        ...[isEvaluation(plan) ? '--weights' : '--checkpoint', files.tested],
      ],
      module: 'fake_trainer',
    },
    device: 'cpu',
    address: '127.0.0.1',
    slurm: undefined,
    gpus: {
      folder: `${home}/gpus`,
      foreignMib: 1024,
      healthSeconds: 0.2,
      healthTimeoutSeconds: 20,
      withGpusHeld: (work) => work(),
    },
    standbys: new StandbyTrainers(),
    observe: (_training, work) => work(),
    preparer: miniPreparer,
    openStore: () => localStore(`${home}/store`),
    findWeights: createFindWeights({ home, catalog: noCatalog, openStore: () => localStore(`${home}/store`) }),
    s3Server: { endpoint: undefined, region: undefined },
    drains: false,
    pagesUrl: undefined,
    versions: miniPlan.versions,
    notificationTargets: new Map(),
  };
}

async function removeRun(home: string, folder: ReturnType<typeof runFolder>): Promise<void> {
  const running = await findLiveJob(folder.train);
  if (running !== undefined && running.owner.host === hostname()) {
    process.kill(running.owner.pid, 'SIGKILL');
    while (await isAlive(running.owner)) await new Promise((resolve) => setTimeout(resolve, 20));
  }
  // An activity of a failed run may write its last file while the folder is removed.
  await rm(home, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
}
