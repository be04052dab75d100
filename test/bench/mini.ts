/** Configures the fake trainer of the benchmarks: the same program, checkpoints and steps for every contender. */
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { RunInput, type RunPlan } from '../../configs/schema/index.ts';
import { miniPlan } from '../helpers/mini-run.ts';
import { fakeTrainerPath } from '../helpers/project.ts';

export const stepSeconds = 0.01;

/** Steps per recipe. `short` finishes after a few seconds. Each has one epoch, so that no validation interrupts it. */
export const miniRecipes = { short: 250, medium: 20_000, long: 100_000 } as const;
export type MiniRecipe = keyof typeof miniRecipes;

export const miniSwitches = (recipe: MiniRecipe): string[] => [
  ...['--steps-per-epoch', String(miniRecipes[recipe]), '--step-seconds', String(stepSeconds)],
  ...['--checkpoint-bytes', '65536'],
];

/** Environment of every trainer. */
export const miniEnv = { PATH: '/usr/bin:/bin', PYTHONPATH: fakeTrainerPath, PYTHONUNBUFFERED: '1' };

const torchrunSuffix = '-torchrun';
/** Returns the recipe name, with a suffix if torchrun starts the rank. */
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
  /** Arguments of `fake_trainer train` without `--resume`. */
  argv: string[];
}

/** Creates a job without a supervisor. */
export async function createBareJob(root: string, recipe: MiniRecipe, intervalSeconds: number): Promise<BareJob> {
  await mkdir(root, { recursive: true });
  const folder = await mkdtemp(`${root}/bare-`);
  const [dir, plan] = [`${folder}/train`, `${folder}/plan.json`];
  await mkdir(dir);
  await writeFile(plan, JSON.stringify(miniPlanOf(miniInput('bare', recipeName(recipe, false), intervalSeconds))));
  return { dir, plan, argv: ['--plan', plan, '--job-dir', dir, ...miniSwitches(recipe)] };
}
