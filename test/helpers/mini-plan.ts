/** Sample input, plan and results of a run of the fake trainer. Pure, so that simulated processes can use them too. */
import type { TrainDependencies } from '../../activities/train/dependencies.ts';
import {
  RecoveryPolicy,
  RunInput,
  SpeedSwitches,
  type FetchedDataset,
  type FetchedWeights,
  type RunPlan,
  type TrainerControl,
} from '../../configs/schema/index.ts';

const hash = (digit: string) => digit.repeat(64);

export const miniInput: RunInput = RunInput.parse({
  version: 1,
  name: 'mini',
  recipe: 'mini',
  dataset: 'none',
  weights: { backbone: 'none' },
  epochs: 3,
  gpus: 1,
  batchPerGpu: 1,
  seed: 7,
  loaderWorkers: 0,
  logEverySteps: 1,
});

export const miniPlan: RunPlan = {
  v: 1,
  runId: 'mini',
  planHash: hash('a'),
  recipe: {
    name: 'mini',
    sha256: hash('b'),
    summary: { milestones: [], optimizer: 'SGD', lr: 0.1, precision: 'fp32', boxHeads: [], imagesAtOnce: null },
  },
  dataset: {
    id: 'none',
    contentKey: hash('c'),
    archives: [],
    classes: null,
    extractImages: false,
    train: { images: 'none.zip', annotations: 'none.json', counts: null },
    val: { images: 'none.zip', annotations: 'none.json', counts: null },
  },
  weights: {
    backbone: { id: 'none', source: { file: 'none.pth', urls: ['demo:none.pth'], bytes: 1, sha256: hash('d') } },
  },
  epochs: 3,
  gpus: 1,
  batchPerGpu: 1,
  seed: 7,
  loaderWorkers: 0,
  speed: SpeedSwitches.parse({}),
  logEverySteps: 1,
  checkpoint: { everyMinutes: 10, keepLast: 3 },
  recovery: RecoveryPolicy.parse({}),
  versions: { everswin: '0.0.0', trainerCode: hash('f'), trainerLock: hash('e') },
  references: [],
  input: miniInput,
  recipeOutcome: { step: 'recipe', hit: true, why: 'hit: nothing to read' },
  page: null,
};

export const miniDataset: FetchedDataset = {
  root: '/none',
  contentKey: hash('c'),
  archives: [],
  images: 0,
  instances: 0,
  classes: 0,
  warnings: [],
  outcome: { step: 'dataset', hit: true, why: 'hit: nothing to fetch' },
};
export const miniWeights: FetchedWeights = {
  path: '/none.safetensors',
  parameters: 0,
  source: { file: 'none.pth', sha256: hash('d'), bytes: 1 },
  converted: { file: 'none.safetensors', sha256: hash('d'), bytes: 1 },
  outcome: { step: 'weights', hit: true, why: 'hit: nothing to fetch' },
};

/** Control values of a workflow without any request. */
export const miniControl: TrainerControl = {
  v: 1,
  epochs: miniPlan.epochs,
  checkpointNow: 0,
  learningRateFactor: 1,
  fp32: false,
  accumulate: 1,
};

/** Prepares nothing: the fake trainer reads neither data nor weights. */
export const miniPreparer: TrainDependencies['preparer'] = {
  dataset: () => Promise.resolve(miniDataset),
  weights: () => Promise.resolve(miniWeights),
  findMissing: () => Promise.resolve([]),
  inspectArchives: () => Promise.resolve({ names: [], problems: [] }),
};
