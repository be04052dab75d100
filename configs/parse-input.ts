import { z } from 'zod';
import { findSimilar, simplifyName } from './schema/did-you-mean.ts';
import { listFields } from './schema/field-index.ts';
import { formatGot } from './schema/plain-errors.ts';
import { RetrainInput, RunInput, SweepInput } from './schema/index.ts';

export type Parsed<T> =
  | { ok: true; input: T }
  /** `corrected` is the input with the right names of the `misspelled` fields, whose problems come first. */
  | { ok: false; problems: string[]; misspelled: string[]; corrected: unknown };

/** Parses a run input. Lists all problems: `epochs: expected a whole number from 1 to 1000, got 0`. */
export const parseRunInput = (raw: unknown): Parsed<RunInput> => parseAs(RunInput, raw);
export const parseSweepInput = (raw: unknown): Parsed<SweepInput> => parseAs(SweepInput, raw);
export const parseRetrainInput = (raw: unknown): Parsed<RetrainInput> => parseAs(RetrainInput, raw);

interface UnknownField {
  parent: PropertyKey[];
  name: string;
  /** Names of the object's fields. */
  known: string[];
}

function parseAs<T>(schema: z.ZodType<T>, raw: unknown): Parsed<T> {
  const misspelled: string[] = [];
  let corrected = raw;
  for (;;) {
    const unknown: UnknownField[] = [];
    const collect: z.core.$ZodErrorMap = (issue) => collectUnknown(issue, unknown);
    const parsed = schema.safeParse(corrected, { error: collect, reportInput: true });
    if (parsed.success && misspelled.length === 0) return { ok: true, input: parsed.data };
    const issues = parsed.error?.issues ?? []; // zod formats the issues, and calls `collect`, when they are read
    // The value of a misspelled field is checked under its right name, so that no problem hides behind another.
    const [typo] = unknown.filter((field) => findTarget(field, corrected) !== undefined);
    if (typo === undefined) {
      const others = unknown.map((field) => formatUnknown(field, schema, corrected));
      const rest = issues.filter(({ code }) => code !== 'unrecognized_keys');
      const problems = [...misspelled, ...others, ...rest.flatMap((issue) => formatProblems(issue))];
      return { ok: false, problems, misspelled, corrected };
    }
    const target = findTarget(typo, corrected) ?? typo.name;
    misspelled.push(`unknown field ${quotePath([...typo.parent, typo.name])}: did you mean \`${target}\`?`);
    corrected = renameField(corrected, typo, target);
  }
}

function collectUnknown(issue: Parameters<z.core.$ZodErrorMap>[0], unknown: UnknownField[]): undefined {
  if (issue.code !== 'unrecognized_keys' || !(issue.inst instanceof z.ZodObject)) return;
  const known = Object.keys(issue.inst.shape);
  for (const name of issue.keys) unknown.push({ parent: issue.path ?? [], name, known });
}

/** Returns the field that a misspelled one stands for, unless the input has that field already. */
function findTarget({ parent, name, known }: UnknownField, raw: unknown): string | undefined {
  const target = findSynonym(name) ?? findSimilar(name, known);
  if (target === undefined || !known.includes(target)) return undefined;
  return target in (readObject(raw, parent) ?? {}) ? undefined : target;
}

/** Names that other programs use for fields. */
const synonyms: Record<string, string[]> = {
  batchPerGpu: ['batch_size', 'batch', 'samples_per_gpu', 'images_per_gpu'],
  epochs: ['max_epochs', 'num_epochs', 'n_epochs'],
  gpus: ['num_gpus', 'n_gpus', 'devices', 'world_size'],
  loaderWorkers: ['num_workers', 'workers_per_gpu', 'workers'],
  validationBatch: ['val_batch_size', 'eval_batch_size', 'test_batch_size'],
  seed: ['random_seed'],
  learningRate: ['lr', 'base_lr'],
  recipe: ['config', 'model'],
  weights: ['pretrained', 'load_from', 'init_checkpoint'],
  note: ['comment', 'description'],
  hosts: ['nodes', 'machines'],
};

function findSynonym(name: string): string | undefined {
  const typed = simplifyName(name);
  const found = Object.entries(synonyms).find(([, others]) => others.some((other) => simplifyName(other) === typed));
  return found?.[0];
}

/** Settings that many programs have next to those of a run. */
const recipeSettings = [
  'optimizer',
  'optim wrapper',
  'scheduler',
  'param scheduler',
  'lr scheduler',
  'lr config',
  'warmup',
  'weight decay',
  'momentum',
  'pipeline',
  'augmentation',
  'image size',
  'img scale',
  'num classes',
  'classes',
  'amp',
  'fp16',
  'precision',
].map(simplifyName);

/** Objects with more fields are listed in docs/reference/run-file.md. */
const mostListed = 8;

function formatUnknown({ parent, name, known }: UnknownField, schema: z.ZodType, raw: unknown): string {
  const field = `unknown field ${quotePath([...parent, name])}`;
  const similar = findSimilar(name, known);
  if (similar !== undefined && similar in (readObject(raw, parent) ?? {}))
    return `${field}: remove it, \`${similar}\` is set already`;
  const [place, other] = listFields(schema).filter((one) => one.name === name);
  if (place !== undefined && other === undefined) return `${field}: did you mean \`${place.path}\`?`;
  if (recipeSettings.includes(simplifyName(name)))
    return `${field}: it is part of the recipe (docs/reference/recipes.md)`;
  return known.length > mostListed ? field : `${field}: expected one of ${known.join(', ')}`;
}

/** Returns the object at a path of an input. */
function readObject(raw: unknown, path: readonly PropertyKey[]): object | undefined {
  let value = raw;
  for (const key of path) value = isObject(value) ? Reflect.get(value, key) : undefined;
  return isObject(value) ? value : undefined;
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

/** Returns a copy of an input in which one field has another name. */
function renameField(raw: unknown, { parent, name }: UnknownField, target: string): unknown {
  const copy: unknown = JSON.parse(JSON.stringify(raw)); // workflows have no structuredClone
  const object = readObject(copy, parent);
  if (object === undefined) return copy;
  Reflect.set(object, target, Reflect.get(object, name));
  Reflect.deleteProperty(object, name);
  return copy;
}

/** Lists the problems, each with its path. @param root replaces an empty path. */
export const listProblems = (error: z.ZodError, root = 'input'): string[] =>
  error.issues.flatMap((issue) => formatProblems(issue, root));

function formatProblems(issue: z.core.$ZodIssue, root = 'input', parent: PropertyKey[] = []): string[] {
  const path = [...parent, ...issue.path];
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => `unknown field ${quotePath([...path, key])}`);
  if (issue.code === 'invalid_union') {
    // If the value is an object of one kind of the union, the problems of its fields matter.
    const fitting = issue.errors.filter((one) => one.length > 0 && one.every((inner) => inner.path.length > 0));
    if (fitting.length === 1) return (fitting[0] ?? []).flatMap((inner) => formatProblems(inner, root, path));
  }
  if (issue.message.startsWith('is missing') && path.length > 0) return [`${quotePath(path)} ${issue.message}`];
  return [`${z.core.toDotPath(path) || root}: ${issue.message}${showInput(issue)}`];
}

/** Returns the value that a message does not name yet. Lists and objects are too long. */
function showInput({ message, input }: z.core.$ZodIssue): string {
  const isShort = input !== undefined && (input === null || typeof input !== 'object');
  return isShort && message.startsWith('expected') && !message.includes('got ') ? `, got ${formatGot(input)}` : '';
}

const quotePath = (path: PropertyKey[]): string => `\`${z.core.toDotPath(path) || '""'}\``;

/** Formats the refusal of an input. @param name name of its file. */
export const inputRefusal = (problems: string[], name = 'The run input'): string =>
  `${name} has ${problems.length} problem${problems.length === 1 ? '' : 's'}:\n- ${problems.join('\n- ')}`;
