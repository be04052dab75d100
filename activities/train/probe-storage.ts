import { randomUUID } from 'node:crypto';
import { mkdir, open, readdir, rm } from 'node:fs/promises';
import type { RunFolder } from '../../configs/paths.ts';
import { ignoreMissing } from '../shared/files/ignore-missing.ts';
import { namePath } from '../shared/files/name-path.ts';

const block = Buffer.alloc(1024 * 1024);

/** Returns the folder that the job of a run fills: the test of an evaluation, otherwise the trainer. */
export const outputFolder = ({ train, test }: RunFolder, isEvaluation: boolean): string =>
  isEvaluation ? test.dir : train.checkpoints;

/**
 * Reads and writes the folder of a run as its trainer and its test do, and `shared`, the folders that runs share.
 * Creates nothing that the kind of run does not use.
 * @param bytes size of a file to write: a quota is not part of the free space that the system reports.
 * @throws the error of the file system.
 */
export async function probeStorage(
  folder: RunFolder,
  isEvaluation: boolean,
  shared: readonly string[],
  bytes: number,
  signal: AbortSignal,
): Promise<void> {
  const { root, plan, train, test, detector } = folder;
  const job = isEvaluation ? test : train;
  const output = outputFolder(folder, isEvaluation);
  if (!isEvaluation) await mkdir(job.fences, { recursive: true });
  for (const path of isEvaluation ? [root] : [root, job.dir, job.fences])
    await namePath(path, probeWrite(path, 1, signal));
  for (const path of [test.dir, detector, ...shared]) await ignoreMissing(namePath(path, probeWrite(path, 1, signal)));
  await namePath(output, probeWrite(output, bytes, signal));
  const entries = await readdir(output, { withFileTypes: true });
  const files = entries.filter((entry) => !entry.isDirectory()).map(({ name }) => `${output}/${name}`);
  for (const path of [plan, job.owner, job.exit, job.control, job.progress, ...files])
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
