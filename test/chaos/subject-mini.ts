/** The fake trainer: runs for two seconds, and its final state can be compared byte by byte. */
import { createHash } from 'node:crypto';
import { RunInput, type RunPlan } from '../../configs/schema/index.ts';
import { resumeArgv, type TrainerPrograms } from '../../activities/shared/trainer/trainer-argv.ts';
import { miniDataset, miniPlan, miniWeights } from '../helpers/mini-run.ts';
import { hashFile } from './job-record.ts';
import type { Subject } from './subject.ts';

interface Size {
  epochs: number;
  stepSeconds: number;
  saveEverySeconds: number;
  expectedSeconds: number;
  deadlineSeconds: number;
}

const stepsPerEpoch = 40;
const keepLast = 3;

/** Two seconds of training with about two checkpoints per epoch. */
export const mini = fakeSubject('mini', {
  epochs: 4,
  stepSeconds: 0.01,
  saveEverySeconds: 0.24,
  expectedSeconds: 3.5,
  deadlineSeconds: 600,
});

/** Two minutes of training, enough for about 20 kills of workers and servers. */
export const miniLong = fakeSubject('mini-long', {
  epochs: 60,
  stepSeconds: 0.05,
  saveEverySeconds: 3,
  expectedSeconds: 130,
  deadlineSeconds: 500,
});

/** Lasts longer than most freezes. */
export const miniFreeze = fakeSubject('mini-freeze', {
  epochs: 20,
  stepSeconds: 0.05,
  saveEverySeconds: 3,
  expectedSeconds: 45,
  deadlineSeconds: 600,
});

function fakeSubject(
  name: Subject['name'],
  { epochs, stepSeconds, saveEverySeconds, expectedSeconds, deadlineSeconds }: Size,
): Subject {
  return {
    name,
    epochs,
    keepLast,
    expectedSeconds,
    deadlineSeconds,
    smallDiskMib: 64,
    ranks: [1],
    stepsPerEpoch: () => stepsPerEpoch,
    input: (runName) =>
      RunInput.parse({
        version: 1,
        name: runName,
        recipe: 'mini',
        dataset: 'none',
        weights: { backbone: 'none' },
        epochs,
        gpus: 1,
        batchPerGpu: 1,
        seed: 7,
        loaderWorkers: 0,
        logEverySteps: 1,
        checkpoint: { everyMinutes: saveEverySeconds / 60, keepLast },
      }),
    prepare: () => Promise.resolve(),
    dependencies: (production) => ({
      ...production,
      programs: programsOf(stepSeconds),
      preparer: {
        ...production.preparer,
        dataset: () => Promise.resolve(miniDataset),
        weights: () => Promise.resolve(miniWeights),
      },
    }),
    stubs: { resolvePlan: (input) => Promise.resolve(planOf(input)) },
    // The real check starts torch, which takes longer than the training.
    gpuStubs: { checkMachine: () => Promise.resolve([]) },
    hashState: (path) => Promise.resolve(hashFile(path) ?? 'missing'),
  };
}

const programsOf = (stepSeconds: number): TrainerPrograms => ({
  train: (_plan, files, job) => [
    ...['-m', 'fake_trainer', 'train', '--plan', files.plan, '--job-dir', job.dir],
    ...resumeArgv(files.resume),
    ...['--steps-per-epoch', String(stepsPerEpoch), '--step-seconds', String(stepSeconds)],
    ...['--validation-seconds', '0.1', '--checkpoint-bytes', '65536'],
  ],
  test: (_plan, files, job) => [
    ...['-m', 'fake_trainer', 'test', '--plan', files.plan, '--job-dir', job.dir],
    ...['--checkpoint', files.tested, '--seconds', '0.3'],
  ],
  module: 'fake_trainer',
});

function planOf(input: RunInput): RunPlan {
  const { name: runId, epochs, seed, logEverySteps, checkpoint, recovery } = input;
  // Runs of this suite differ only in their names.
  const planHash = createHash('sha256').update('chaos').digest('hex');
  return { ...miniPlan, runId, planHash, epochs, seed, logEverySteps, checkpoint, recovery };
}
