/** Contenders of test/bench/comparison.ts, which all train the demo's recipe with real MMDetection on one rank. */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { execa } from 'execa';
import { z } from 'zod';
import { homeFolders, runFolder } from '../../configs/paths.ts';
import { stackMarker } from '../../infra/stack/stack-file.ts';
import { projectFile } from '../../workers/env.ts';
import { readEvents } from '../chaos/job-record.ts';
import { signalProcess } from '../chaos/lasting-faults.ts';
import { findMarked, type Process } from '../chaos/processes.ts';
import { listProgram, listRanks } from '../chaos/trainer-tree.ts';
import { projectRoot, python } from '../helpers/project.ts';

export const epochs = 2;
export const stepsPerEpoch = 46;
export const targetStep = epochs * stepsPerEpoch;

export interface Step {
  iteration: number;
  /** Time of its end in Unix seconds. */
  at: number;
}

export interface Run {
  /** Steps in the order in which they were trained, with repetitions. */
  steps: () => Step[];
  ranks: () => Process[];
  launchers: () => Process[];
  /** Every process of this contender on this machine. */
  all: () => Process[];
  /** Starts what a service manager starts when the machine boots. */
  boot: () => Promise<void>;
  /** What a person does about a training that makes no progress. */
  intervene: () => Promise<void>;
  /** Checkpoint after the target step; undefined until it is complete. */
  result: () => string | undefined;
  end: () => Promise<void>;
}

export interface Contender {
  name: string;
  command: string;
  /** Folder of the small disk with checkpoints and logs. */
  disk: string;
  /** Starts a training from scratch. */
  start: (name: string) => Promise<Run>;
}

const cli = [`${projectRoot}/infra/cli/main.ts`];
const thread = { OMP_NUM_THREADS: '1' };

/** Starts a program that outlives this one. */
function launch(executable: string, argv: string[], env: Record<string, string>, log: string): void {
  const descriptor = openSync(log, 'a');
  spawn(executable, argv, { detached: true, env, stdio: ['ignore', descriptor, descriptor] }).unref();
  closeSync(descriptor);
}

export async function killAll(find: () => Process[]): Promise<void> {
  for (let found = find(); found.length > 0; found = find()) {
    for (const { pid } of found) signalProcess(pid, 'SIGKILL');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** `everswin up` with the defaults, and the run in its own file. @param changes to the run. */
export function everswin(home: string, changes: object = {}): Contender {
  const env = { ...thread, PATH: process.env['PATH'] ?? '', [stackMarker]: home };
  const everswinCommand = (...argv: string[]) => execa(process.execPath, [...cli, ...argv], { env, reject: false });
  const isUp = async () => (await everswinCommand('status')).exitCode === 0;
  const up = async () => {
    launch(process.execPath, [...cli, 'up', '--device', 'cpu'], env, `${home}/up.log`);
    while (!(await isUp())) await new Promise((resolve) => setTimeout(resolve, 1000));
  };
  return {
    name: 'everswin',
    command: 'everswin up; everswin start RUN.json',
    disk: homeFolders(home).runs,
    start: async (name) => {
      if (!(await isUp())) await up();
      const { train, root } = runFolder(home, name);
      await rm(root, { recursive: true, force: true });
      const file = `${home}/${name}.json`;
      await writeFile(file, JSON.stringify({ ...runInput, ...changes, name }));
      const start = await everswinCommand('start', file, '--no-wait');
      if (start.exitCode !== 0) throw new Error(start.stderr);
      return {
        steps: () =>
          readEvents(train.dir).flatMap(({ type, iteration = 0, t }) =>
            type === 'step' ? [{ iteration, at: t }] : [],
          ),
        ranks: () => listRanks(train.dir),
        launchers: () => listProgram(train.dir).filter(isTorchrun),
        all: () => [
          ...findMarked(stackMarker, home),
          ...findMarked('PYTHONPATH', projectFile('trainer')).filter(({ argv }) => argv.includes(train.dir)),
        ],
        boot: () => Promise.resolve(launch(process.execPath, [...cli, 'up', '--device', 'cpu'], env, `${home}/up.log`)),
        intervene: async () => {
          await everswinCommand('start', file, '--no-wait');
        },
        result: () => {
          const path = `${train.checkpoints}/e00${epochs}-i0000${targetStep}`;
          return existsSync(`${path}.json`) ? `${path}.pth` : undefined;
        },
        end: async () => {
          await everswinCommand('cancel', name);
          await rm(root, { recursive: true, force: true });
        },
      };
    },
  };
}

const runInput = {
  version: 1,
  recipe: 'cascade-mask-rcnn_swin-demo',
  dataset: 'mini-coco',
  weights: { backbone: 'swin-mini-imagenet1k' },
  epochs,
  gpus: 1,
  batchPerGpu: 2,
  loaderWorkers: 0,
  logEverySteps: 1,
};

const isTorchrun = ({ argv }: Process): boolean => argv.includes('torch.distributed.run');
const StepTime = z.tuple([z.coerce.number(), z.coerce.number()]);

/** Prepares MMDetection's tools/train.py on the files of the demo. @returns the config. */
export async function prepareStock(folder: string, demoFiles: string): Promise<string> {
  const config = `${folder}/stock.py`;
  if (existsSync(config)) return config;
  await mkdir(`${folder}/coco`, { recursive: true });
  for (const archive of ['train2017', 'val2017', 'annotations_trainval2017'])
    await execa(python, ['-m', 'zipfile', '-e', `${demoFiles}/${archive}.zip`, `${folder}/coco`]);
  const weights = `${demoFiles}/swin_mini_patch4_window7_224.pth`;
  const script = `${projectRoot}/test/bench/stock_config.py`;
  await execa(python, [script, `${folder}/coco`, weights, config, `--epochs=${epochs}`], { env: stockEnv });
  return config;
}

const stockEnv = { ...thread, PATH: '/usr/bin:/bin', PYTHONPATH: `${projectRoot}/trainer:${projectRoot}/test/bench` };
const marker = 'EVERSWIN_COMPARISON';

const torchrunArgv = (restarts: number) => [
  ...['-m', 'torch.distributed.run', '--standalone', '--nproc-per-node', '1', '--max-restarts', String(restarts)],
];

/** `torchrun --max-restarts` restarts tools/train.py, which resumes by itself. */
export const torchrun = (folder: string): Contender =>
  stock('torchrun --max-restarts', 'torchrun --max-restarts 100 tools/train.py --resume', folder, (trainer) => [
    ...[python, ...torchrunArgv(100), ...trainer],
  ]);

/** A shell loop starts torchrun again and again. */
export const shellLoop = (folder: string): Contender =>
  stock('shell loop', 'until torchrun tools/train.py --resume; do sleep 1; done', folder, (trainer) => [
    ...['sh', `${import.meta.dirname}/comparison-loop.sh`, python, ...torchrunArgv(0), ...trainer],
  ]);

function stock(name: string, command: string, folder: string, argvOf: (trainer: string[]) => string[]): Contender {
  const disk = `${folder}/disk`;
  return {
    name,
    command,
    disk,
    start: async (run) => {
      const work = `${disk}/${run}`;
      await rm(work, { recursive: true, force: true });
      await rm(`${folder}/step-times`, { force: true });
      const trainer = [
        `${projectRoot}/test/bench/stock_train.py`,
        `${folder}/stock.py`,
        '--work-dir',
        work,
        '--resume',
      ];
      const [executable = '', ...argv] = argvOf(trainer);
      const all = () => findMarked(marker, work);
      const boot = () =>
        Promise.resolve(launch(executable, argv, { ...stockEnv, [marker]: work }, `${folder}/${run}.log`));
      await boot();
      return {
        steps: () => readStepTimes(`${folder}/step-times`),
        ranks: () =>
          all().filter((one) => !isTorchrun(one) && one.argv.some((word) => word.endsWith('stock_train.py'))),
        launchers: () => all().filter((one) => isTorchrun(one) && one.argv[0] !== 'sh'),
        all,
        boot,
        intervene: async () => {
          await killAll(all);
          await removeDamaged(work);
          await boot();
        },
        result: () => completeFile(`${work}/epoch_${epochs}.pth`),
        end: async () => {
          await killAll(all);
          await rm(work, { recursive: true, force: true });
        },
      };
    },
  };
}

/** Removes the newest checkpoint if it cannot be read, as a person would, and points MMEngine to the one before it. */
async function removeDamaged(work: string): Promise<void> {
  const files = existsSync(work) ? readdirSync(work).filter((name) => name.endsWith('.pth')) : [];
  const sorted = files.sort();
  for (let newest = sorted.pop(); newest !== undefined; newest = sorted.pop()) {
    if ((await hashWeights(`${work}/${newest}`)) !== undefined) break;
    await rm(`${work}/${newest}`);
  }
  const last = readdirSync(work)
    .filter((name) => name.endsWith('.pth'))
    .sort()
    .at(-1);
  if (last === undefined) await rm(`${work}/last_checkpoint`, { force: true });
  else await writeFile(`${work}/last_checkpoint`, `${work}/${last}`);
}

/** MMEngine writes checkpoints in place: a file is complete once it no longer grows. */
function completeFile(path: string): string | undefined {
  const found = statSync(path, { throwIfNoEntry: false });
  return found !== undefined && Date.now() - found.mtimeMs > 3000 ? path : undefined;
}

function readStepTimes(path: string): Step[] {
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1);
  return lines.flatMap((line) => {
    const parsed = StepTime.safeParse(line.split(' '));
    return parsed.success ? [{ iteration: parsed.data[0], at: parsed.data[1] }] : [];
  });
}

/** Returns the hash of the weights in a checkpoint; undefined if torch cannot read it. */
export async function hashWeights(path: string): Promise<string | undefined> {
  const program = [
    'import sys, torch',
    'from everswin_trainer.training.digests import hash_tensors',
    'state = torch.load(sys.argv[1], map_location="cpu", weights_only=False)["state_dict"]',
    'print(hash_tensors(dict(state)))',
  ].join('\n');
  const { stdout, exitCode } = await execa(python, ['-c', program, path], { env: stockEnv, reject: false });
  return exitCode === 0 ? stdout : undefined;
}
