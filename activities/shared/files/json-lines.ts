import type { z } from 'zod';
import { parseJson, readIfPresent } from './json-file.ts';

/** A short file of one JSON object a line; torn and foreign lines are passed over, an absent file is empty. */
export async function readJsonLines<T extends z.ZodType>(path: string, schema: T): Promise<z.infer<T>[]> {
  const lines = (await readIfPresent(path))?.split('\n') ?? [];
  return lines.map((line) => parseJson(line, schema)).filter((one) => one !== undefined);
}
