import { stat } from 'node:fs/promises';
import type { FileMark } from '../../../configs/schema/index.ts';
import { ignoreMissing } from './ignore-missing.ts';

/** Reads size, inode and times of a file; undefined when it does not exist. */
export async function readFileMark(path: string): Promise<FileMark | undefined> {
  const stats = await ignoreMissing(stat(path, { bigint: true }));
  if (stats === undefined) return undefined;
  const { size, ino, mtimeNs, ctimeNs } = stats;
  return { bytes: Number(size), inode: String(ino), mtimeNs: String(mtimeNs), ctimeNs: String(ctimeNs) };
}

/** Checks that a file was not written, replaced or moved between two marks. */
export const isSameMark = (a: FileMark | undefined, b: FileMark | undefined): boolean =>
  a !== undefined &&
  b !== undefined &&
  a.bytes === b.bytes &&
  a.inode === b.inode &&
  a.mtimeNs === b.mtimeNs &&
  a.ctimeNs === b.ctimeNs;

/** Checks that none of several files was created, deleted or changed between two readings of their marks. */
export const areSameMarks = (a: readonly (FileMark | undefined)[], b: readonly (FileMark | undefined)[]): boolean =>
  a.length === b.length && a.every((mark, place) => mark === b[place] || isSameMark(mark, b[place]));
