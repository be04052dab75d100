import type { z } from 'zod';
import { parseJson, readIfPresent } from './json-file.ts';

/** Reads a short JSON Lines file. Skips truncated and foreign lines; a missing file is empty. */
export async function readJsonLines<T extends z.ZodType>(path: string, schema: T): Promise<z.infer<T>[]> {
  const lines = (await readIfPresent(path))?.split('\n') ?? [];
  return lines.map((line) => parseJson(line, schema)).filter((value) => value !== undefined);
}
