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

/** @returns the input of a run file, or what to tell whoever named it. @param text its content: nothing here reads a disk. */
export async function readRunInput(path: string, text: Promise<string>): Promise<RunInput | string> {
  let raw: unknown;
  try {
    raw = JSON.parse(await text);
  } catch (error) {
    return `Cannot read ${path}: ${error instanceof Error ? error.message : String(error)}`;
  }
  const parsed = parseRunInput(raw);
  return parsed.ok ? parsed.input : inputRefusal(parsed.problems);
}

export const inputRefusal = (problems: string[]): string =>
  `The run input has ${problems.length} problem${problems.length === 1 ? '' : 's'}:\n- ${problems.join('\n- ')}`;
