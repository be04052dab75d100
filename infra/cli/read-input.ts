import { readFile } from 'node:fs/promises';
import { resolveDataPaths } from './data-paths.ts';

type Read<T> = (path: string, text: Promise<string>) => Promise<T | string>;

/**
 * Reads and parses the input file of a command. Paths of `data` are relative to the folder of the file.
 * @throws Error that names the file and lists all problems.
 */
export async function readInput<T extends object>(read: Read<T>, path: string): Promise<T> {
  const input = await read(path, readWithAbsolutePaths(path));
  if (typeof input === 'string') throw new Error(input);
  return input;
}

async function readWithAbsolutePaths(path: string): Promise<string> {
  const text = await readFile(path, 'utf8');
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch {
    return text; // The parser explains the error.
  }
  return JSON.stringify(await resolveDataPaths(raw, path));
}
