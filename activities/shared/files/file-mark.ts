import { stat } from 'node:fs/promises';
import type { FileMark } from '../../../configs/schema/index.ts';
import { ignoreMissing } from './ignore-missing.ts';

/** How a file looks now; undefined where there is none. */
export async function readFileMark(path: string): Promise<FileMark | undefined> {
  const found = await ignoreMissing(stat(path, { bigint: true }));
  if (found === undefined) return undefined;
  const { size, ino, mtimeNs, ctimeNs } = found;
  return { bytes: Number(size), inode: String(ino), mtimeNs: String(mtimeNs), ctimeNs: String(ctimeNs) };
}

/** Whether nobody wrote, replaced or moved the file between the two looks. */
export const isSameMark = (a: FileMark | undefined, b: FileMark | undefined): boolean =>
  a !== undefined &&
  b !== undefined &&
  a.bytes === b.bytes &&
  a.inode === b.inode &&
  a.mtimeNs === b.mtimeNs &&
  a.ctimeNs === b.ctimeNs;
