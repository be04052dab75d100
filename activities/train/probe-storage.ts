import { randomUUID } from 'node:crypto';
import { mkdir, open, readdir, rm } from 'node:fs/promises';
import type { RunFolder } from '../../configs/paths.ts';
import { ignoreMissing } from '../shared/files/ignore-missing.ts';
import { namePath } from '../shared/files/name-path.ts';

const block = Buffer.alloc(1024 * 1024);

/**
 * Reads and writes the folder of a run as its trainer and its test do, and `shared`, the folders that runs share.
 * @param bytes size of a file to write: a quota is not part of the free space that the system reports.
 * @throws the error of the file system.
 */
export async function probeStorage(
  { root, plan, train, test, detector }: RunFolder,
  shared: readonly string[],
  bytes: number,
  signal: AbortSignal,
): Promise<void> {
  await mkdir(train.fences, { recursive: true });
  for (const folder of [root, train.dir, train.fences]) await namePath(folder, probeWrite(folder, 1, signal));
  for (const folder of [test.dir, detector, ...shared])
    await ignoreMissing(namePath(folder, probeWrite(folder, 1, signal)));
  await namePath(train.checkpoints, probeWrite(train.checkpoints, bytes, signal));
  const entries = await readdir(train.checkpoints, { withFileTypes: true });
  const files = entries.filter((entry) => !entry.isDirectory()).map(({ name }) => `${train.checkpoints}/${name}`);
  for (const path of [plan, train.owner, train.exit, train.control, train.progress, ...files])
    await ignoreMissing(namePath(path, probeRead(path)));
}

async function probeWrite(folder: string, bytes: number, signal: AbortSignal): Promise<void> {
  // The trainer deletes hidden files with this ending that a killed worker left.
  const path = `${folder}/.${randomUUID()}.part`;
  try {
    const file = await open(path, 'wx');
    try {
      for (let left = bytes; left > 0; left -= block.length) {
        signal.throwIfAborted();
        await file.write(block, 0, Math.min(left, block.length));
      }
      await file.sync();
    } finally {
      await file.close();
    }
  } finally {
    await rm(path, { force: true });
  }
}

async function probeRead(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.read(Buffer.alloc(1), 0, 1, 0);
  } finally {
    await file.close();
  }
}
