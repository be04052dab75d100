import { z } from 'zod';
import { RetrainInput, RunInput, SweepInput } from './schema/index.ts';

export type Parsed<T> = { ok: true; input: T } | { ok: false; problems: string[] };

/** Parses a run input. Lists all problems, each with its path: `epochs: Too small: expected number to be >=1`. */
export const parseRunInput = (raw: unknown): Parsed<RunInput> => parseAs(RunInput, raw);
export const parseSweepInput = (raw: unknown): Parsed<SweepInput> => parseAs(SweepInput, raw);
export const parseRetrainInput = (raw: unknown): Parsed<RetrainInput> => parseAs(RetrainInput, raw);

function parseAs<T>(schema: z.ZodType<T>, raw: unknown): Parsed<T> {
  const parsed = schema.safeParse(raw);
  return parsed.success ? { ok: true, input: parsed.data } : { ok: false, problems: listProblems(parsed.error) };
}

/** Lists the problems, each with its path. @param root replaces an empty path. */
export const listProblems = (error: z.ZodError, root = 'input'): string[] =>
  error.issues.map((issue) => `${z.core.toDotPath(issue.path) || root}: ${issue.message}`);

/** Parses a run file. @param text content of the file. @returns the input, or an error message for the user. */
export const readRunInput = (path: string, text: Promise<string>): Promise<RunInput | string> =>
  readAs(parseRunInput, path, text);
/** Parses a sweep file in the same way. */
export const readSweepInput = (path: string, text: Promise<string>): Promise<SweepInput | string> =>
  readAs(parseSweepInput, path, text);
/** Parses a retraining file in the same way. */
export const readRetrainInput = (path: string, text: Promise<string>): Promise<RetrainInput | string> =>
  readAs(parseRetrainInput, path, text);

async function readAs<T>(parse: (raw: unknown) => Parsed<T>, path: string, text: Promise<string>): Promise<T | string> {
  let raw: unknown;
  try {
    raw = JSON.parse(await text);
  } catch (error) {
    return `Cannot read ${path}: ${explainReadError(error)}`;
  }
  const parsed = parse(raw);
  return parsed.ok ? parsed.input : inputRefusal(parsed.problems);
}

/** Explains why a file cannot be read or is not JSON. */
export function explainReadError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  return readErrors[code] ?? error.message;
}

const readErrors: Record<string, string> = {
  ENOENT: 'the file does not exist.',
  EISDIR: 'it is a folder.',
  EACCES: 'permission denied.',
};

export const inputRefusal = (problems: string[]): string =>
  `The run input has ${problems.length} problem${problems.length === 1 ? '' : 's'}:\n- ${problems.join('\n- ')}`;
