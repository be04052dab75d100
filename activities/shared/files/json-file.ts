import { readFile } from 'node:fs/promises';
import type { z } from 'zod';
import { ignoreMissing } from './ignore-missing.ts';

/**
 * A JSON file that another process writes whole-or-nothing.
 * @returns undefined when the file is absent or does not fit the schema: such a file does not count.
 */
export async function readJson<T extends z.ZodType>(path: string, schema: T): Promise<z.infer<T> | undefined> {
  const text = await readIfPresent(path);
  return text === undefined ? undefined : parseJson(text, schema);
}

/** Undefined for what is no JSON, or other JSON: a line that a kill cut short, or a library's. */
export function parseJson<T extends z.ZodType>(text: string, schema: T): z.infer<T> | undefined {
  try {
    return schema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

export const readIfPresent = (path: string): Promise<string | undefined> => ignoreMissing(readFile(path, 'utf8'));
