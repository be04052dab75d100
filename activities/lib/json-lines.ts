import type { z } from 'zod';
import { readIfPresent } from './json-file.ts';

/** A short file of one JSON object a line; torn and foreign lines are passed over, an absent file is empty. */
export async function readJsonLines<T extends z.ZodType>(path: string, schema: T): Promise<z.infer<T>[]> {
  const lines = (await readIfPresent(path))?.split('\n') ?? [];
  return lines.flatMap((line) => {
    try {
      const parsed = schema.safeParse(JSON.parse(line));
      return parsed.success ? [parsed.data] : [];
    } catch {
      return [];
    }
  });
}
