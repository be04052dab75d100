/** Replaces `node:fs` for the activities. */
import { currentProcess } from '../machine/process.ts';
import { open } from './fs-promises.ts';

const chunkBytes = 64 * 1024;

export const existsSync = (path: string): boolean => currentProcess().host.disk.find(path) !== undefined;

/** Descriptors are only handed to a spawned process, whose output the model of the trainer writes itself. */
export const openSync = (path: string): number => {
  currentProcess().host.disk.create(path, false);
  return 3;
};

export const closeSync = (): void => undefined;

export async function* createReadStream(path: string): AsyncGenerator<Buffer> {
  const file = await open(path);
  for (let position = 0; ;) {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(chunkBytes), 0, chunkBytes, position);
    if (bytesRead === 0) break;
    position += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
  await file.close();
}

const notSimulated = (name: string) => (): never => {
  throw new Error(`${name} is not simulated: add it to ${import.meta.filename}`);
};
export const readFileSync = notSimulated('readFileSync');
export const createWriteStream = notSimulated('createWriteStream');
