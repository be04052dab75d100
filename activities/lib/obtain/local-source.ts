import { mkdir, readdir, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { homeFolders } from '../../../configs/paths.ts';
import { Sha256 } from '../../../configs/schema.ts';
import { CodedError, systemErrorCode } from '../failures/coded-error.ts';
import { contentKey } from '../content-key.ts';
import { admitUrl, type SourcePolicy } from '../download/source-policy.ts';
import { readJson } from '../files/json-file.ts';
import { writeFileWhole } from '../files/whole-file.ts';

/** A `file:` address; a folder when it ends in `/`. */
export interface LocalSource {
  url: string;
  path: string;
  isFolder: boolean;
}

/** @throws CodedError DownloadRefused when the policy does not allow it; undefined for all other addresses. */
export const localSource = (url: string | undefined, policy: SourcePolicy): LocalSource | undefined =>
  url?.startsWith('file://')
    ? { url, path: fileURLToPath(admitUrl(url, policy)), isFolder: url.endsWith('/') }
    : undefined;

/** What a user's own file or folder held when it was taken into the store, and how it looked then. */
const Taken = z.object({ v: z.literal(1), look: Sha256, sha256: Sha256 });

/** The hash of what the source holds; undefined when it was never taken or has been touched since. */
export async function findTaken(home: string, source: LocalSource): Promise<string | undefined> {
  const taken = await readJson(takenPath(home, source), Taken);
  return taken?.look === (await lookAt(source)) ? taken.sha256 : undefined;
}

/** @param look as it was before the source was read: what changed meanwhile must not pass for known. */
export async function recordTaken(home: string, source: LocalSource, look: string, sha256: string): Promise<void> {
  await mkdir(homeFolders(home).taken, { recursive: true });
  await writeFileWhole(takenPath(home, source), JSON.stringify({ v: 1, look, sha256 } satisfies z.infer<typeof Taken>));
}

/** Names, sizes and times of everything in it. @throws CodedError DownloadRefused where it is not there or cannot be read. */
export async function lookAt({ path, isFolder }: LocalSource): Promise<string> {
  try {
    if (!isFolder) return contentKey(await lookOf(path));
    const names = await readdir(path, { recursive: true });
    const looks = [];
    for (const name of names.sort()) looks.push([name, await lookOf(`${path}/${name}`)]);
    return contentKey(looks);
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === undefined || !unreadable.has(code)) throw error;
    throw new CodedError('DownloadRefused', `${path} cannot be read (${code}).`, { cause: error });
  }
}

/** What no further try would change; a disk that fails may be well again. */
const unreadable = new Set(['ENOENT', 'ENOTDIR', 'EACCES', 'EPERM', 'ELOOP']);

async function lookOf(file: string): Promise<string> {
  const { size, mtimeNs, ctimeNs } = await stat(file, { bigint: true });
  return `${size} ${mtimeNs} ${ctimeNs}`;
}

const takenPath = (home: string, { url }: LocalSource): string => `${homeFolders(home).taken}/${contentKey(url)}.json`;
