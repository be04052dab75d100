import { readFile } from 'node:fs/promises';

type Read<T> = (path: string, text: Promise<string>) => Promise<T | string>;

/**
 * Reads and parses the input file of a command.
 * @throws Error that names the file and lists all problems.
 */
export async function readInput<T extends object>(read: Read<T>, path: string): Promise<T> {
  const input = await read(path, readFile(path, 'utf8'));
  if (typeof input === 'string') throw new Error(input);
  return input;
}
