import { readdir, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { CodedError, systemErrorCode } from '../shared/errors/coded-error.ts';
import { contentKey } from '../shared/steps/content-key.ts';
import { downloadInto } from './download-into.ts';
import type { ObtainContext } from './obtain-context.ts';
import type { OwnSource } from './own-source.ts';
import { packFolder } from './pack-folder.ts';

/** A file or folder of this machine. @param url as the policy has admitted it. */
export function localSource(file: string, url: URL, context: ObtainContext): OwnSource {
  const path = fileURLToPath(url);
  const isFolder = url.href.endsWith('/');
  const take = () =>
    isFolder ? packFolder(path, path, context) : downloadInto({ file, urls: [url.href] }, unknownContent, context);
  const see = async () => {
    const { look, bytes } = await lookAt(path, isFolder);
    return { look, need: () => Promise.resolve({ fetchBytes: bytes, diskBytes: bytes }), take };
  };
  return { url: url.href, shown: path, isFolder, see };
}

const unknownContent = { bytes: null, sha256: null };

/** Names, sizes and times of everything in it. @throws CodedError DownloadRefused where it is not there or cannot be read. */
async function lookAt(path: string, isFolder: boolean): Promise<{ look: string; bytes: number }> {
  try {
    if (!isFolder) {
      const { look, bytes } = await lookOf(path);
      return { look: contentKey(look), bytes };
    }
    const names = await readdir(path, { recursive: true });
    const looks = [];
    let sum = 0;
    for (const name of names.sort()) {
      const { look, bytes } = await lookOf(`${path}/${name}`);
      looks.push([name, look]);
      sum += bytes;
    }
    return { look: contentKey(looks), bytes: sum };
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === undefined || !unreadable.has(code)) throw error;
    throw new CodedError('DownloadRefused', `${path} cannot be read (${code}).`, { cause: error });
  }
}

/** What no further try would change; a disk that fails may be well again. */
const unreadable = new Set(['ENOENT', 'ENOTDIR', 'EACCES', 'EPERM', 'ELOOP']);

async function lookOf(path: string): Promise<{ look: string; bytes: number }> {
  const found = await stat(path, { bigint: true });
  const { size, mtimeNs, ctimeNs } = found;
  return { look: `${size} ${mtimeNs} ${ctimeNs}`, bytes: found.isFile() ? Number(size) : 0 };
}
