import { readFile } from 'node:fs/promises';
import { listRecipes } from '../../activities/plan/read-recipe.ts';
import { findForeignHosts } from '../../activities/plan/transfer-policy.ts';
import {
  findUnknownInRetraining,
  findUnknownInSweep,
  findUnknownNames,
  type KnownNames,
  type NameProblem,
} from '../../configs/check-names.ts';
import {
  inputRefusal,
  parseRetrainInput,
  parseRunInput,
  parseSweepInput,
  type Parsed,
} from '../../configs/parse-input.ts';
import { Catalog, type RetrainInput, type RunInput, type SweepInput } from '../../configs/schema/index.ts';
import { projectFile } from '../../workers/env.ts';
import { resolveDataPaths } from './data-paths.ts';
import { explainReadError } from './explain-read-error.ts';
import { requireKind, type InputKind } from './input-kind.ts';
import { parseJson } from './parse-json.ts';

/** Checks of an input, in the order in which they run. */
interface InputChecks<T> {
  kind: InputKind;
  parse: (raw: unknown) => Parsed<T>;
  findUnknown: (raw: unknown, known: KnownNames) => NameProblem[];
  /** Returns the part with `catalog` and `transfers`. */
  runOf: (input: T) => Pick<RunInput, 'catalog' | 'transfers'>;
}

/**
 * Reads the run input of a command, and checks everything that needs no worker. Paths of `data` are relative to the
 * folder of the file.
 * @throws Error that names the file and lists all problems.
 */
export const readRunInput = (file: string): Promise<RunInput> =>
  readInput(file, { kind: 'run', parse: parseRunInput, findUnknown: findUnknownNames, runOf: (input) => input });

/** Reads a sweep input in the same way. */
export const readSweepInput = (file: string): Promise<SweepInput> =>
  readInput(file, {
    kind: 'sweep',
    parse: parseSweepInput,
    findUnknown: findUnknownInSweep,
    runOf: ({ base }) => base,
  });

/** Reads a retraining input in the same way. */
export const readRetrainInput = (file: string): Promise<RetrainInput> =>
  readInput(file, {
    kind: 'retrain',
    parse: parseRetrainInput,
    findUnknown: findUnknownInRetraining,
    runOf: ({ run }) => run,
  });

async function readInput<T>(file: string, { kind, parse, findUnknown, runOf }: InputChecks<T>): Promise<T> {
  const raw = parseJson(file, await readBytes(file));
  requireKind(file, raw, kind);
  const draft = parse(raw);
  const paths = await resolveDataPaths(draft.ok ? raw : draft.corrected, file);
  const parsed = parse(paths.input);
  const known = await readKnownNames();
  const foreign = parsed.ok ? findForeignHosts(known.catalog, runOf(parsed.input)) : undefined;
  const unknown = findUnknown(paths.input, known);
  const isExplained = (problem: string) => unknown.some(({ path }) => problem.startsWith(`${path}: `));
  const problems = [
    ...(draft.ok ? [] : draft.misspelled),
    ...(parsed.ok ? [] : parsed.problems.filter((problem) => !isExplained(problem))),
    ...paths.problems,
    ...unknown.map(({ path, message }) => `${path}: ${message}`),
    ...(foreign === undefined ? [] : [`catalog: ${foreign}`]),
  ];
  if (parsed.ok && problems.length === 0) return parsed.input;
  throw new Error(`${inputRefusal(problems, file)}\ndocs/reference/run-file.md describes all fields.`);
}

async function readBytes(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (error) {
    throw new Error(`Cannot read ${file}: ${await explainReadError(file, error)}`, { cause: error });
  }
}

async function readKnownNames(): Promise<KnownNames> {
  const catalog = Catalog.parse(JSON.parse(await readFile(projectFile('configs/catalog.json'), 'utf8')));
  return { recipes: await listRecipes(projectFile('configs/mmdet')), catalog };
}
