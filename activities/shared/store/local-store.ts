import { createReadStream } from 'node:fs';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { RecordedObject } from '../../../configs/schema/run-pointer.ts';
import { fileSize } from '../files/checkpoint-files.ts';
import { CodedError } from '../errors/coded-error.ts';
import { ignoreMissing } from '../files/ignore-missing.ts';
import { readJson } from '../files/json-file.ts';
import { writeFileAtomic } from '../files/atomic-file.ts';
import type { ArtifactStore, ListedObject, ObjectFacts, TransferOptions } from './artifact-store.ts';
import { IncomingFile } from './incoming-file.ts';
import { readLocalPointer, replaceLocalPointer } from './local-pointer.ts';
import { assertKey } from './object-key.ts';

const blockBytes = 1024 * 1024;
/** Hidden folders, so that objects remain regular files under their own names. */
const records = '.records';
const pointers = '.pointers';

/** Creates a store in a folder: one file per object, with hashes and pointer versions in hidden folders. */
export function localStore(folder: string): ArtifactStore {
  const pathsOf = (key: string) => {
    assertKey(key);
    const path = `${folder}/${key}`;
    const [record, pointer] = [`${folder}/${records}/${key}.json`, `${folder}/${pointers}/${key}`];
    return { path, record, pointer, uri: pathToFileURL(path).href };
  };
  const head = async (key: string): Promise<ObjectFacts | undefined> => {
    const { path, record } = pathsOf(key);
    const bytes = await fileSize(path);
    if (bytes === undefined) return undefined;
    return { bytes, sha256: (await readJson(record, RecordedObject))?.sha256 ?? null };
  };
  return {
    address: pathToFileURL(folder).href,
    head,
    async put(key, path, options = {}) {
      const paths = pathsOf(key);
      const copy = await copyInto(paths.path, path, options);
      const { bytes, sha256 } = copy;
      if (options.sha256 !== undefined && options.sha256 !== sha256) {
        await copy.discard();
        throw new CodedError('StoreDamaged', `Expected ${path} to have the sha256 ${options.sha256}, got ${sha256}.`);
      }
      // Removes the old record first, so that a crash cannot leave it with the new file.
      await rm(paths.record, { force: true });
      await copy.publish();
      await mkdir(dirname(paths.record), { recursive: true });
      await writeFileAtomic(paths.record, JSON.stringify({ v: 1, bytes, sha256 } satisfies RecordedObject));
      return { uri: paths.uri, bytes, sha256 };
    },
    async get(key, path, options = {}) {
      const paths = pathsOf(key);
      const facts = await head(key);
      if (facts === undefined) throw new CodedError('StoreDamaged', `${paths.uri} does not exist.`);
      const recorded = await readJson(paths.record, RecordedObject);
      const copy = await copyInto(path, paths.path, options);
      const { bytes, sha256 } = copy;
      const expected = options.sha256 ?? recorded?.sha256;
      if (expected !== sha256) {
        await copy.discard();
        const message = `Expected ${paths.uri} to have the sha256 ${expected ?? '(none recorded)'}, got ${sha256}.`;
        throw new CodedError('StoreDamaged', message);
      }
      await copy.publish();
      return { uri: paths.uri, bytes, sha256 };
    },
    list: (prefix) => listFiles(folder, prefix),
    async remove(keys) {
      for (const { path, record, pointer } of keys.map(pathsOf)) {
        await rm(path, { force: true });
        await rm(record, { force: true });
        await rm(pointer, { recursive: true, force: true });
      }
    },
    read: (key) => readLocalPointer(pathsOf(key).pointer),
    replace: (key, body, { ifMatch }) => replaceLocalPointer(pathsOf(key).pointer, body, ifMatch),
    link: (key) => Promise.resolve(pathsOf(key).uri),
    abortStaleUploads: (prefix, olderThanMs) => removeStaleParts(folder, prefix, olderThanMs),
  };
}

async function copyInto(target: string, source: string, { signal, onBytes }: TransferOptions): Promise<IncomingFile> {
  const copy = await IncomingFile.create(target);
  try {
    const blocks: AsyncIterable<Buffer> = createReadStream(source, { highWaterMark: blockBytes, signal });
    for await (const block of blocks) {
      await copy.write(block);
      onBytes?.(block.length);
    }
    return copy;
  } catch (error) {
    await copy.discard();
    throw error;
  }
}

async function listFiles(folder: string, prefix: string): Promise<ListedObject[]> {
  const paths = await listPaths(folder);
  const keys = paths.filter((key) => key.startsWith(prefix) && !key.split('/').some((part) => part.startsWith('.')));
  const sizes = await Promise.all(keys.map((key) => fileSize(`${folder}/${key}`)));
  return keys.flatMap((key, index) => {
    const bytes = sizes[index];
    return bytes === undefined ? [] : [{ key, bytes }];
  });
}

/** Removes what killed puts left: parts of objects, and records that were not complete. */
async function removeStaleParts(folder: string, prefix: string, olderThanMs: number): Promise<number> {
  const before = Date.now() - olderThanMs;
  let removed = 0;
  for (const path of await listPaths(folder)) {
    const isPart = keyOfPart(path)?.startsWith(prefix) === true;
    const isRecord = path.startsWith(`${records}/${prefix}`) && path.endsWith('.tmp');
    if (!isPart && !isRecord) continue;
    const { mtimeMs } = await stat(`${folder}/${path}`);
    if (mtimeMs > before) continue;
    await rm(`${folder}/${path}`, { force: true });
    removed += 1;
  }
  return removed;
}

/** Returns the key of an object whose part (`folder/.name.uuid.part`) this is. */
function keyOfPart(path: string): string | undefined {
  const [, name] = /^\.(.+)\.[^.]+\.part$/.exec(basename(path)) ?? [];
  return name === undefined ? undefined : join(dirname(path), name);
}

async function listPaths(folder: string): Promise<string[]> {
  const entries = (await ignoreMissing(readdir(folder, { recursive: true, withFileTypes: true }))) ?? [];
  return entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => `${parentPath}/${name}`.slice(folder.length + 1))
    .sort();
}
