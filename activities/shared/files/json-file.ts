import { readFile } from 'node:fs/promises';
import type { z } from 'zod';
import { ignoreMissing } from './ignore-missing.ts';
import { namePath } from './name-path.ts';

/**
 * Reads a JSON file that another process writes atomically.
 * @returns undefined when the file is missing or does not match the schema.
 */
export async function readJson<T extends z.ZodType>(path: string, schema: T): Promise<z.infer<T> | undefined> {
  const text = await readIfPresent(path);
  return text === undefined ? undefined : parseJson(text, schema);
}

/** Parses JSON. Returns undefined for invalid JSON, such as a truncated line, and for JSON of another schema. */
export function parseJson<T extends z.ZodType>(text: string, schema: T): z.infer<T> | undefined {
  try {
    return schema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

export const readIfPresent = (path: string): Promise<string | undefined> =>
  ignoreMissing(namePath(path, readFile(path, 'utf8')));
