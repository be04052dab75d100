import { z } from 'zod';
import { didYouMean } from './schema/did-you-mean.ts';
import { RunFields, type Catalog } from './schema/index.ts';
import { isWeightsFile } from './schema/weights-reference.ts';

/** Names that inputs may refer to. */
export interface KnownNames {
  /** Recipes of configs/mmdet, without `.py`. */
  readonly recipes: readonly string[];
  /** configs/catalog.json. */
  readonly catalog: Catalog;
}

export interface NameProblem {
  readonly code: 'UnknownRecipe' | 'NotInCatalog' | 'DownloadRefused' | 'InvalidInput';
  readonly path: string;
  /** `The catalog has no data set "coco": did you mean "coco-2017"? Available: …` */
  readonly message: string;
}

type Reference = Pick<NameProblem, 'code' | 'path'> & { readonly refusal: string };

const references = {
  recipe: { code: 'UnknownRecipe', path: 'recipe', refusal: 'There is no recipe' },
  dataset: { code: 'NotInCatalog', path: 'dataset', refusal: 'The catalog has no data set' },
  backbone: { code: 'NotInCatalog', path: 'weights.backbone', refusal: 'The catalog has no weights' },
  detector: { code: 'NotInCatalog', path: 'weights.detector', refusal: 'The catalog has no weights' },
} as const satisfies Record<string, Reference>;

const name = z.string().optional().catch(undefined);
const Ids = z.record(z.string(), z.unknown()).catch({});

/** Parts of a run input that refer to others. Invalid ones count as missing, because the schema reports them. */
const References = z.object({
  recipe: name,
  dataset: name,
  weights: z.object({ backbone: name, detector: name }).catch({}),
  catalog: z.object({ datasets: Ids, weights: Ids }).catch({ datasets: {}, weights: {} }),
  epochs: RunFields.shape.epochs.optional().catch(undefined),
  checkpoint: z.object({ milestones: z.array(z.int()).catch([]) }).catch({ milestones: [] }),
});

/**
 * Finds all names of a run input that refer to nothing, and checkpoints of epochs that the run does not have.
 * @param raw a run input, which may have other problems.
 */
export function findUnknownNames(raw: unknown, { recipes, catalog }: KnownNames): NameProblem[] {
  const { data } = References.safeParse(raw);
  if (data === undefined) return [];
  const datasets = [...Object.keys(data.catalog.datasets), ...Object.keys(catalog.datasets)];
  const weights = [...Object.keys(data.catalog.weights), ...Object.keys(catalog.weights)];
  const problems = [
    findUnknown(references.recipe, data.recipe, recipes),
    findUnknown(references.dataset, data.dataset, datasets),
    findUnknown(references.backbone, data.weights.backbone, weights),
    // The worker finds the weights of runs, models and files.
    /[:/]/.test(data.weights.detector ?? '')
      ? undefined
      : findUnknown(references.detector, data.weights.detector, weights),
    findLateMilestones(data.checkpoint.milestones, data.epochs),
  ];
  return problems.filter((problem) => problem !== undefined);
}

/** Finds the unknown names of a sweep: those of its base, and those that a variant changes. */
export function findUnknownInSweep(raw: unknown, known: KnownNames): NameProblem[] {
  const { data } = SweepParts.safeParse(raw);
  if (data === undefined) return [];
  const ofVariants = data.variants.flatMap(({ change }, place) =>
    findUnknownNames({ ...data.base, ...change }, known)
      .filter(({ path }) => Object.keys(change).some((field) => relatedFields[field]?.includes(path)))
      .map((problem) => within(`variants[${place}].change`, problem)),
  );
  return [...findUnknownNames(data.base, known).map((problem) => within('base', problem)), ...ofVariants];
}

const SweepParts = z.object({
  base: z.record(z.string(), z.unknown()).catch({}),
  variants: z.array(z.object({ change: z.record(z.string(), z.unknown()).catch({}) }).catch({ change: {} })).catch([]),
});

/** Paths of the problems that a changed field can cause. */
const relatedFields: Record<string, string[]> = {
  recipe: ['recipe'],
  weights: ['weights.backbone', 'weights.detector'],
  epochs: ['checkpoint.milestones'],
  checkpoint: ['checkpoint.milestones'],
};

/** Finds the unknown names of a retraining. */
export const findUnknownInRetraining = (raw: unknown, known: KnownNames): NameProblem[] =>
  findUnknownNames(z.object({ run: z.unknown() }).safeParse(raw).data?.run, known).map((one) => within('run', one));

const within = (parent: string, problem: NameProblem): NameProblem => ({
  code: problem.code,
  path: `${parent}.${problem.path}`,
  message: problem.message,
});

const fileAdvice = {
  detector: 'A file needs its absolute path, such as "/data/best.pth".',
  backbone: 'For a file, add an entry with its address to `catalog.weights`, and name its id here.',
};

function findUnknown(
  { code, path, refusal }: Reference,
  typed: string | undefined,
  known: readonly string[],
): NameProblem | undefined {
  if (typed === undefined || known.includes(typed)) return undefined;
  const suggestion = didYouMean(typed, known) || '.';
  // The schema refuses names that no recipe, data set or weights can have. A suggestion helps more.
  if (suggestion === '.' && !RunFields.shape.recipe.safeParse(typed).success) return undefined;
  const isFile = path.startsWith('weights.') && isWeightsFile(typed);
  const advice = isFile ? ` ${fileAdvice[path === references.detector.path ? 'detector' : 'backbone']}` : '';
  return { code, path, message: `${refusal} "${typed}"${suggestion}${advice} Available: ${known.join(', ')}.` };
}

function findLateMilestones(milestones: number[], epochs: number | undefined): NameProblem | undefined {
  const late = milestones.filter((epoch) => epochs !== undefined && epoch > epochs);
  if (late.length === 0) return undefined;
  const message = `Expected epochs of this run, which ends after epoch ${epochs ?? ''}, got ${late.join(', ')}.`;
  return { code: 'InvalidInput', path: 'checkpoint.milestones', message };
}
