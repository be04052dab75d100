import { stat } from 'node:fs/promises';
import type { FileMark } from '../../configs/schema.ts';
import { systemErrorCode } from './coded-error.ts';

/** How a file looks now; undefined where there is none. */
export async function markOf(path: string): Promise<FileMark | undefined> {
  try {
    const { size, ino, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    return { bytes: Number(size), inode: String(ino), mtimeNs: String(mtimeNs), ctimeNs: String(ctimeNs) };
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Whether nobody wrote, replaced or moved the file between the two looks. */
export const isSameMark = (a: FileMark | undefined, b: FileMark | undefined): boolean =>
  a !== undefined &&
  b !== undefined &&
  a.bytes === b.bytes &&
  a.inode === b.inode &&
  a.mtimeNs === b.mtimeNs &&
  a.ctimeNs === b.ctimeNs;
