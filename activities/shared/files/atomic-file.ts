import { createHash, randomUUID, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { link, open, readdir, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { systemErrorCode } from '../errors/coded-error.ts';
import { namePath } from './name-path.ts';

/** Writes a file atomically: after a crash at any moment, `path` holds its old content or all of `data`. */
export const writeFileAtomic = (path: string, data: string | Uint8Array): Promise<void> =>
  writeThenPublish(path, data, (temporary) => rename(temporary, path));

/** Creates a file atomically. If several writers race, one succeeds and the others get EEXIST. */
export const createFileExclusive = (path: string, data: string | Uint8Array): Promise<void> =>
  writeThenPublish(path, data, (temporary) => link(temporary, path));

const writeThenPublish = async (
  path: string,
  data: string | Uint8Array,
  publish: (temporary: string) => Promise<void>,
): Promise<void> => {
  const temporary = `${path}.${process.pid}.${randomUUID()}.tmp`;
  try {
    await namePath(path, writeSynced(temporary, data));
    await publish(temporary);
  } catch (error) {
    // A message with a random name would differ at each try, so followers would print it again.
    if (error instanceof Error) error.message = error.message.replaceAll(temporary, path);
    throw error;
  } finally {
    // An error of the removal would hide the first one; `removeTemporaryFiles` removes the file later.
    await rm(temporary, { force: true }).catch(() => undefined);
  }
  await namePath(path, syncFolder(dirname(path)));
};

/** Removes the temporary files that killed writers of this machine left under `folder`. */
export const removeTemporaryFiles = async (folder: string): Promise<void> => {
  for (const name of await readdir(folder, { recursive: true })) {
    const [, pid] = /\.(\d+)\.[0-9a-f-]{36}\.tmp$/.exec(name) ?? [];
    if (pid !== undefined && !isProcessAlive(Number(pid))) await rm(`${folder}/${name}`, { force: true });
  }
};

export const isProcessAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemErrorCode(error) !== 'ESRCH';
  }
};

const writeSynced = async (path: string, data: string | Uint8Array): Promise<void> => {
  const file = await open(path, 'wx');
  try {
    await file.writeFile(data);
    await file.sync();
  } finally {
    await file.close();
  }
};

/** Syncs a folder. A rename survives a power failure only after that. */
export const syncFolder = async (folder: string): Promise<void> => {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
};

interface HashOptions {
  readonly signal: AbortSignal;
  /** Receives the bytes hashed so far, because hashing a large file can outlast a heartbeat timeout. */
  readonly onBytes: (bytes: number) => void;
}

/** Adds the content of a file to a hash. */
export const hashFileInto = async (hash: Hash, path: string, { signal, onBytes }: HashOptions): Promise<void> => {
  const chunks: AsyncIterable<Buffer> = createReadStream(path, { highWaterMark: 1024 * 1024 });
  let bytes = 0;
  for await (const chunk of chunks) {
    signal.throwIfAborted();
    hash.update(chunk);
    bytes += chunk.length;
    onBytes(bytes);
  }
};

export const sha256OfFile = async (path: string): Promise<string> => {
  const hash = createHash('sha256');
  await namePath(path, hashFileInto(hash, path, { signal: new AbortController().signal, onBytes: () => undefined }));
  return hash.digest('hex');
};
