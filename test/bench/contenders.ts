/** Who starts the fake trainer again after its rank was killed: we, torchrun, or a shell loop. */
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { taskQueues, workflowId, workflowTypes } from '../../configs/names.ts';
import { runFolder } from '../../configs/paths.ts';
import { python } from '../helpers/project.ts';
import { newestRank } from './job.ts';
import { createBareJob, miniEnv, miniInput, recipeName, type BareJob } from './mini.ts';
import type { BenchStack } from './stack.ts';

/** Also of the others, so that all save as often. */
export const intervalSeconds = 0.5;

export interface Running {
  jobDir: string;
  /** Returns when nothing of it lives; `job` is left as a crash would leave it, where nobody ended it in order. */
  end: () => Promise<BareJob | undefined>;
}

export interface Contender {
  name: string;
  command: string;
  start: (run: string) => Promise<Running>;
}

export const everswin = (stack: BenchStack, torchrun: boolean): Contender => ({
  name: torchrun ? 'everswin, torchrun below' : 'everswin',
  command: `workflow trainDetector -> worker -> supervise -- ${torchrun ? `${describeTorchrun(0)} ` : ''}fake_trainer train`,
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

const describeTorchrun = (restarts: number) => `torchrun --standalone --nproc-per-node 1 --max-restarts ${restarts}`;
const torchrunArgv = (restarts: number) => [
  ...['-m', 'torch.distributed.run', '--standalone', '--nproc-per-node', '1', '--max-restarts', String(restarts)],
];
const here = import.meta.dirname;

export const torchrun = (root: string): Contender => ({
  name: 'torchrun --max-restarts',
  command: `${describeTorchrun(100)} --no-python sh resume-newest.sh …`,
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
  const whole = { ...miniEnv, PYTHON: python, JOB_DIR: job.dir, ...env };
  const group = launch(job, whole, executable, [...argv, ...job.argv]);
  // torchrun gives each rank a session of its own.
  const end = () => {
    const rank = newestRank(job.dir);
    for (const pid of [-group, ...(rank === undefined ? [] : [rank])]) killIfAlive(pid);
    return Promise.resolve(job);
  };
  return { jobDir: job.dir, end };
}

/** The trainer itself, with nobody around it: returns what ends it. */
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
    // It ended by itself.
  }
}
