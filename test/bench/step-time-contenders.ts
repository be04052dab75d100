/** Starts the three contenders of test/bench/step-time.ts and waits for their first step. */
import { spawn } from 'node:child_process';
import { mkdir, readFile } from 'node:fs/promises';
import { execa } from 'execa';
import { z } from 'zod';
import { readProgress } from '../../activities/shared/run/progress-reader.ts';
import { ignoreMissing } from '../../activities/shared/files/ignore-missing.ts';
import { listDescendants } from '../../activities/shared/trainer/process-descendants.ts';
import { findLiveJob } from '../../activities/shared/trainer/trainer-process.ts';
import { homeFolders, jobFolder, runFolder } from '../../configs/paths.ts';
import { stackServer } from '../../infra/client/find-server.ts';
import { connect } from '../../workers/connect.ts';
import { startStack } from '../../infra/stack/start-stack.ts';
import { startRun } from '../../infra/client/start-run.ts';
import { readRunFile } from '../helpers/preparation.ts';
import { projectRoot, python } from '../helpers/project.ts';
import { until } from '../helpers/until.ts';

/** Steps per epoch of the demo. */
export const stepsPerEpoch = 46;
/** More than the benchmark reaches. */
const epochs = 40;
const name = 'step-time';

export interface Step {
  iteration: number;
  /** Time of its end in Unix seconds. */
  at: number;
}

export interface Contender {
  steps: () => Promise<Step[]>;
  /** Returns the pids of all its processes. */
  tree: () => Promise<number[]>;
}

const pythonPath = `${projectRoot}/trainer:${projectRoot}/test/bench`;

const stepsOf = async (dir: string): Promise<Step[]> =>
  (await readProgress(jobFolder(dir).progress)).flatMap((event) =>
    event.type === 'step' ? [{ iteration: event.iteration, at: event.t }] : [],
  );

const treeOf = async (pids: number[]): Promise<number[]> => [
  ...new Set([...pids, ...(await Promise.all(pids.map(listDescendants))).flat()]),
];

async function pastFirstStep(contender: Contender): Promise<Contender> {
  await until(async () => ((await contender.steps()).length > 1 ? true : undefined));
  return contender;
}

/** Starts the complete stack with the run; `argv` is the torchrun command of its supervisor. */
export async function startPipeline(home: string) {
  const stack = await startStack({ home, device: 'cpu', withObjectStore: false, log: () => undefined });
  const client = await connect(stackServer(stack.file()));
  await startRun(client, { ...(await readRunFile('demo')), name, epochs });
  const { train } = runFolder(home, name);
  const { pid } = await until(async () => (await findLiveJob(train))?.owner);
  const contender = await pastFirstStep({
    steps: () => stepsOf(train.dir),
    tree: () => treeOf([...Object.values(stack.file().processes), pid]),
  });
  const stop = async () => {
    await client.connection.close();
    await stack.stop();
  };
  return { contender, argv: await argvBelow(pid), stop };
}

/** Returns the arguments of the only child of a supervisor, without the interpreter. */
async function argvBelow(supervisor: number): Promise<string[]> {
  const [child] = (await readFile(`/proc/${supervisor}/task/${supervisor}/children`, 'utf8')).split(' ');
  return (await readFile(`/proc/${child}/cmdline`, 'utf8')).split('\0').slice(1, -1);
}

/** Starts the command of the supervisor in another folder and without a supervisor. */
export async function startTwin(dir: string, argv: string[]): Promise<Contender> {
  await mkdir(dir);
  const twinArgv = argv.map((word, place) => (argv[place - 1] === '--job-dir' ? dir : word));
  return pastFirstStep({ steps: () => stepsOf(dir), tree: launch(twinArgv, dir) });
}

/** Starts MMDetection's tools/train.py on the same images, extracted to files. */
export async function startStock(dir: string, home: string): Promise<Contender> {
  const { demoFiles } = homeFolders(home);
  await mkdir(`${dir}/coco`, { recursive: true });
  for (const archive of ['train2017', 'val2017', 'annotations_trainval2017'])
    await execa(python, ['-m', 'zipfile', '-e', `${demoFiles}/${archive}.zip`, `${dir}/coco`]);
  const weights = `${demoFiles}/swin_mini_patch4_window7_224.pth`;
  const config = `${dir}/stock.py`;
  const env = { PYTHONPATH: pythonPath };
  await execa(python, [`${projectRoot}/test/bench/stock_config.py`, `${dir}/coco`, weights, config], { env });
  const argv = [`${projectRoot}/test/bench/stock_train.py`, config, '--work-dir', `${dir}/work`];
  return pastFirstStep({ steps: () => readStepTimes(`${dir}/step-times`), tree: launch(argv, dir) });
}

const StepTime = z.tuple([z.coerce.number(), z.coerce.number()]);

async function readStepTimes(path: string): Promise<Step[]> {
  const lines = ((await ignoreMissing(readFile(path, 'utf8'))) ?? '').split('\n').slice(0, -1);
  return lines.map((line) => {
    const [iteration, at] = StepTime.parse(line.split(' '));
    return { iteration, at };
  });
}

/** @returns a function that lists the pids of its processes. */
function launch(argv: string[], cwd: string): () => Promise<number[]> {
  // One thread, as the trainer uses on two cores.
  const env = { PATH: '/usr/bin:/bin', PYTHONPATH: pythonPath, OMP_NUM_THREADS: '1' };
  const { pid = -1 } = spawn(python, argv, { cwd, stdio: 'ignore', env });
  return () => treeOf([pid]);
}
