import { readFile } from 'node:fs/promises';
import type { z } from 'zod';
import { systemErrorCode } from './coded-error.ts';

/**
 * A JSON file that another process writes whole-or-nothing.
 * @returns undefined when the file is absent or does not fit the schema: such a file does not count.
 */
export async function readJson<T extends z.ZodType>(path: string, schema: T): Promise<z.infer<T> | undefined> {
  const text = await readIfPresent(path);
  if (text === undefined) return undefined;
  try {
    return schema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

export async function readIfPresent(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
