/** Simulates two machines with a shared folder: each has its own GPU worker, leases and queue. */
import type { Client } from '@temporalio/client';
import { Worker } from '@temporalio/worker';
import type { ActivityDependencies } from '../../activities/dependencies.ts';
import { createGpuActivities } from '../../activities/index.ts';
import { resumeArgv, torchrunArgv, type TrainerPrograms } from '../../activities/shared/trainer/trainer-argv.ts';
import { hostQueue } from '../../configs/names.ts';
import { runFolder, type RunFolder } from '../../configs/paths.ts';
import { RecoveryPolicy, type RunInput, type RunPlan } from '../../configs/schema/index.ts';
import { createMiniRun, miniPlan } from './mini-run.ts';
import { projectRoot } from './project.ts';
import { aDetector, someMetrics } from './stub-activities.ts';
import { freshInput, withControlWorker } from './workflow-env.ts';

export const hosts = ['gpu-a', 'gpu-b'];

/** Runs the fake trainer on each rank, with real torchrun and a real process group. */
export const toyRanks =
  (...switches: string[]): TrainerPrograms['train'] =>
  (plan, files, job, _device, rendezvous) => [
    ...[...torchrunArgv(plan.gpus, rendezvous), `${projectRoot}/trainer/tests/programs/toy_ranks.py`],
    ...['--plan', files.plan, '--job-dir', job.dir, ...resumeArgv(files.resume), ...switches],
  ];

export const planFor = (input: RunInput): RunPlan => ({
  ...miniPlan,
  runId: input.name,
  gpus: input.gpus,
  epochs: input.epochs,
  // A collective of gloo rarely hangs on a busy machine. The default of 900 s would outlast the test.
  recovery: RecoveryPolicy.parse({ stallSeconds: { startup: 90, step: 30 } }),
  input,
});

export const inputForHosts = (): RunInput => ({ ...freshInput(), gpus: 2, hosts });

interface TwoHosts {
  client: Client;
  /** Starts the worker of a host, which polls only the queue of that host. */
  startWorker: (host: string, over?: Partial<ActivityDependencies>) => Promise<{ stop: () => Promise<void> }>;
  folderOf: (input: RunInput) => RunFolder;
}

/** @param switches of the fake trainer. */
export async function withTwoHosts(switches: string[], body: (machines: TwoHosts) => Promise<void>): Promise<void> {
  const run = await createMiniRun();
  const { home, gpus } = run.dependencies;
  const stops: (() => Promise<void>)[] = [];
  try {
    await withControlWorker({ resolvePlan: (input) => Promise.resolve(planFor(input)) }, async (client, connection) => {
      const hire: TwoHosts['startWorker'] = async (host, over = {}) => {
        const programs = { ...run.dependencies.programs, train: toyRanks(...switches) };
        const own = { ...run.dependencies, programs, gpus: { ...gpus, folder: `${home}/gpus/${host}` }, ...over };
        const worker = await Worker.create({
          connection,
          taskQueue: hostQueue(host),
          maxHeartbeatThrottleInterval: '200ms',
          activities: {
            ...createGpuActivities(own),
            checkMachine: () => Promise.resolve([]), // importing torch would take seconds
            runTest: () => Promise.resolve(someMetrics),
            exportDetector: () => Promise.resolve(aDetector),
          },
        });
        const running = worker.run();
        const stop = async () => {
          if (worker.getState() === 'RUNNING') worker.shutdown();
          await running;
        };
        stops.push(stop);
        return { stop };
      };
      try {
        await body({ client, startWorker: hire, folderOf: ({ name }) => runFolder(home, name) });
      } finally {
        await Promise.all(stops.map((stop) => stop()));
      }
    });
  } finally {
    await run.remove();
  }
}
