import { readdir } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { findSimilar } from '../../configs/schema/did-you-mean.ts';
import { systemErrorCode } from '../../activities/shared/errors/coded-error.ts';
import { projectFile } from '../../workers/env.ts';

/** Explains why a file cannot be read. If it does not exist, names a similar one. */
export async function explainReadError(file: string, error: unknown): Promise<string> {
  if (!(error instanceof Error)) return String(error);
  const code = systemErrorCode(error) ?? '';
  const explanation = explanations[code] ?? error.message;
  return code === 'ENOENT' ? `${explanation}${await suggestFile(file)}` : explanation;
}

const explanations: Record<string, string> = {
  ENOENT: 'the file does not exist.',
  ENOTDIR: 'a part of the path is a file, not a folder.',
  EISDIR: 'it is a folder.',
  EACCES: 'permission denied.',
};

/** Returns a file with a similar name, from the folder of the given one or from the examples. */
async function suggestFile(file: string): Promise<string> {
  for (const folder of [dirname(file), ...['runs', 'sweeps', 'retrain'].map((one) => projectFile(`configs/${one}`))]) {
    const names = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith('.json'));
    const name = names.includes(`${basename(file)}.json`)
      ? `${basename(file)}.json`
      : (names.find((one) => one === basename(file)) ?? findSimilar(basename(file), names));
    if (name !== undefined) return ` Did you mean ${relative('', join(folder, name))}?`;
  }
  return '';
}
