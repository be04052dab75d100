import { z } from 'zod';
import { RunInput } from './schema.ts';

export type ParsedInput = { ok: true; input: RunInput } | { ok: false; problems: string[] };

/** All problems at once, each with its path: `epochs: Too small: expected number to be >=1`. */
export function parseRunInput(raw: unknown): ParsedInput {
  const parsed = RunInput.safeParse(raw);
  return parsed.success ? { ok: true, input: parsed.data } : { ok: false, problems: listProblems(parsed.error) };
}

export const listProblems = (error: z.ZodError): string[] =>
  error.issues.map((issue) => `${z.core.toDotPath(issue.path) || 'input'}: ${issue.message}`);

export const inputRefusal = (problems: string[]): string =>
  `The run input has ${problems.length} problem${problems.length === 1 ? '' : 's'}:\n- ${problems.join('\n- ')}`;
