/** Contenders that restart the fake trainer after a kill of its rank: everswin, torchrun and a shell loop. */
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { taskQueues, workflowId, workflowTypes } from '../../configs/names.ts';
import { runFolder } from '../../configs/paths.ts';
import { python } from '../helpers/project.ts';
import { newestRank } from './job.ts';
import { createBareJob, miniEnv, miniInput, recipeName, type BareJob } from './mini.ts';
import type { BenchStack } from './stack.ts';

/** Checkpoint interval of all contenders. */
export const intervalSeconds = 0.5;

export interface Running {
  jobDir: string;
  /** Resolves when all its processes have exited. A job that did not finish is left as after a crash. */
  end: () => Promise<BareJob | undefined>;
}

export interface Contender {
  name: string;
  command: string;
  start: (run: string) => Promise<Running>;
}

export const everswin = (stack: BenchStack, torchrun: boolean): Contender => ({
  name: torchrun ? 'everswin, torchrun below' : 'everswin',
  command: `workflow trainDetector -> worker -> supervise -- ${torchrun ? `${torchrunCommand(0)} ` : ''}fake_trainer train`,
  start: async (run) => {
    const handle = await stack.client.workflow.start(workflowTypes.trainDetector, {
      taskQueue: taskQueues.control,
      workflowId: workflowId(run),
      args: [miniInput(run, recipeName('short', torchrun), intervalSeconds)],
    });
    const end = async () => {
      await handle.result();
      return undefined;
    };
    return { jobDir: runFolder(stack.home, run).train.dir, end };
  },
});

const torchrunCommand = (restarts: number) => `torchrun --standalone --nproc-per-node 1 --max-restarts ${restarts}`;
const torchrunArgv = (restarts: number) => [
  ...['-m', 'torch.distributed.run', '--standalone', '--nproc-per-node', '1', '--max-restarts', String(restarts)],
];
const here = import.meta.dirname;

export const torchrun = (root: string): Contender => ({
  name: 'torchrun --max-restarts',
  command: `${torchrunCommand(100)} --no-python sh resume-newest.sh …`,
  start: () => startBare(root, {}, python, [...torchrunArgv(100), '--no-python', 'sh', `${here}/resume-newest.sh`]),
});

export const shellLoop = (root: string, pause: number): Contender => ({
  name: pause === 0 ? 'shell loop' : `shell loop, sleep ${pause}`,
  command: `until sh resume-newest.sh …; do ${pause === 0 ? ':' : `sleep ${pause}`}; done`,
  start: () => startBare(root, { PAUSE: String(pause) }, 'sh', [`${here}/loop.sh`]),
});

async function startBare(
  root: string,
  env: Record<string, string>,
  executable: string,
  argv: string[],
): Promise<Running> {
  const job = await createBareJob(root, 'short', intervalSeconds);
  const jobEnv = { ...miniEnv, PYTHON: python, JOB_DIR: job.dir, ...env };
  const group = launch(job, jobEnv, executable, [...argv, ...job.argv]);
  // torchrun starts each rank in its own session.
  const end = () => {
    const rank = newestRank(job.dir);
    for (const pid of [-group, ...(rank === undefined ? [] : [rank])]) killIfAlive(pid);
    return Promise.resolve(job);
  };
  return { jobDir: job.dir, end };
}

/** Starts the trainer without a supervisor. Returns a function that kills it. */
export function startBareTrainer(job: BareJob, checkpoint: string, withTorchrun: boolean): () => void {
  const module = withTorchrun ? [...torchrunArgv(0), '-m', 'fake_trainer'] : ['-m', 'fake_trainer'];
  const group = launch(job, miniEnv, python, [...module, 'train', ...job.argv, '--resume', checkpoint]);
  return () => {
    const rank = newestRank(job.dir);
    for (const pid of [-group, ...(rank === undefined ? [] : [rank])]) killIfAlive(pid);
  };
}

function launch(job: BareJob, env: Record<string, string>, executable: string, argv: string[]): number {
  const log = openSync(`${job.dir}/../bench.log`, 'a');
  const child = spawn(executable, argv, { detached: true, env, stdio: ['ignore', log, log] });
  closeSync(log);
  if (child.pid === undefined) throw new Error(`could not start ${executable}`);
  return child.pid;
}

function killIfAlive(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has already exited.
  }
}
