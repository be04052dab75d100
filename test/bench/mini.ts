/** The fake trainer of these benchmarks: the same program, checkpoints and steps whoever watches over it. */
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { RunInput, type RunPlan } from '../../configs/schema/index.ts';
import { miniPlan } from '../helpers/mini-run.ts';
import { fakeTrainerPath } from '../helpers/project.ts';

export const stepSeconds = 0.01;

/** `short` ends by itself after some seconds, the others hardly. All in one epoch: no validation comes between. */
export const miniRecipes = { short: 250, medium: 20_000, long: 100_000 } as const;
export type MiniRecipe = keyof typeof miniRecipes;

export const miniSwitches = (recipe: MiniRecipe): string[] => [
  ...['--steps-per-epoch', String(miniRecipes[recipe]), '--step-seconds', String(stepSeconds)],
  ...['--checkpoint-bytes', '65536'],
];

/** All that a trainer gets to see, whoever starts it. */
export const miniEnv = { PATH: '/usr/bin:/bin', PYTHONPATH: fakeTrainerPath, PYTHONUNBUFFERED: '1' };

const torchrunSuffix = '-torchrun';
/** How the recipe of a run is called whose rank torchrun starts, as it starts those of MMDetection. */
export const recipeName = (recipe: MiniRecipe, torchrun: boolean): string =>
  `${recipe}${torchrun ? torchrunSuffix : ''}`;

export function readRecipeName(name: string): { recipe: MiniRecipe; torchrun: boolean } {
  const torchrun = name.endsWith(torchrunSuffix);
  return { recipe: name.startsWith('long') ? 'long' : 'short', torchrun };
}

export const miniInput = (name: string, recipe: string, intervalSeconds: number): RunInput =>
  RunInput.parse({
    version: 1,
    name,
    recipe,
    dataset: 'none',
    weights: { backbone: 'none' },
    epochs: 1,
    gpus: 1,
    batchPerGpu: 1,
    seed: 7,
    loaderWorkers: 0,
    logEverySteps: 1,
    checkpoint: { everyMinutes: intervalSeconds / 60, keepLast: 3 },
  });

export const miniPlanOf = ({ name, recipe, epochs, seed, logEverySteps, checkpoint }: RunInput): RunPlan => ({
  ...miniPlan,
  runId: name,
  epochs,
  seed,
  logEverySteps,
  checkpoint,
  planHash: createHash('sha256').update('bench').digest('hex'),
  recipe: { ...miniPlan.recipe, name: recipe },
});

export interface BareJob {
  dir: string;
  plan: string;
  /** What `fake_trainer train` is told, but for `--resume`. */
  argv: string[];
}

/** A job that nobody of ours watches over. */
export async function createBareJob(root: string, recipe: MiniRecipe, intervalSeconds: number): Promise<BareJob> {
  await mkdir(root, { recursive: true });
  const folder = await mkdtemp(`${root}/bare-`);
  const [dir, plan] = [`${folder}/train`, `${folder}/plan.json`];
  await mkdir(dir);
  await writeFile(plan, JSON.stringify(miniPlanOf(miniInput('bare', recipeName(recipe, false), intervalSeconds))));
  return { dir, plan, argv: ['--plan', plan, '--job-dir', dir, ...miniSwitches(recipe)] };
}
