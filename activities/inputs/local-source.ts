import { readdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { didYouMean } from '../../configs/schema/did-you-mean.ts';
import { CodedError, systemErrorCode } from '../shared/errors/coded-error.ts';
import { contentKey } from '../shared/steps/content-key.ts';
import { downloadInto } from './download-into.ts';
import type { PreparationContext } from './preparation-context.ts';
import type { MutableSource } from './mutable-source.ts';
import { packFolder } from './pack-folder.ts';

/**
 * Creates the source of a local file or folder.
 * @param url that the policy allows.
 */
export function localSource(file: string, url: URL, context: PreparationContext): MutableSource {
  const path = fileURLToPath(url);
  const isFolder = url.href.endsWith('/');
  const importFile = () =>
    isFolder ? packFolder(path, path, context) : downloadInto({ file, urls: [url.href] }, unknownContent, context);
  const inspect = async () => {
    const { signature, bytes } = await readSource(path, isFolder);
    return { signature, measure: () => Promise.resolve({ downloadBytes: bytes, diskBytes: bytes }), importFile };
  };
  return { url: url.href, displayName: path, isFolder, inspect };
}

const unknownContent = { bytes: null, sha256: null };

/**
 * Reads names, sizes and times of a file, or of everything in a folder.
 * @throws CodedError DownloadRefused when it does not exist or cannot be read.
 */
async function readSource(path: string, isFolder: boolean): Promise<{ signature: string; bytes: number }> {
  try {
    if (!isFolder) {
      const { signature, bytes, isFolder: isDirectory } = await readSignature(path);
      if (isDirectory)
        throw new CodedError(
          'DownloadRefused',
          `${path} is a folder, but its address names a file. A folder of images ends in a slash: ${path}/`,
        );
      return { signature: contentKey(signature), bytes };
    }
    const names = await readdir(path, { recursive: true });
    const signatures = [];
    let sum = 0;
    for (const name of names.sort()) {
      const { signature, bytes } = await readSignature(`${path}/${name}`);
      signatures.push([name, signature]);
      sum += bytes;
    }
    return { signature: contentKey(signatures), bytes: sum };
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === undefined || !permanentCodes.has(code)) throw error;
    throw new CodedError('DownloadRefused', `Cannot read ${path} (${code}).${await explainCode(code, path)}`, {
      cause: error,
    });
  }
}

/** Errors that a retry cannot fix, unlike those of a failing disk. */
const permanentCodes = new Set(['ENOENT', 'ENOTDIR', 'EACCES', 'EPERM', 'ELOOP']);

interface FileSignature {
  signature: string;
  bytes: number;
  isFolder: boolean;
}

async function readSignature(path: string): Promise<FileSignature> {
  const stats = await stat(path, { bigint: true });
  const { size, mtimeNs, ctimeNs } = stats;
  return {
    signature: `${size} ${mtimeNs} ${ctimeNs}`,
    bytes: stats.isFile() ? Number(size) : 0,
    isFolder: stats.isDirectory(),
  };
}

/** Explains a wrong path: what is there instead, and what the nearest folder holds. */
async function explainCode(code: string, path: string): Promise<string> {
  const name = path.replace(/\/+$/, '');
  if (code === 'ENOTDIR' && (await isFile(name)))
    return ` It is a file, but its address names a folder. Remove the slash at the end: ${name}`;
  if (code === 'EACCES' || code === 'EPERM') return ' The user of the worker may not read it.';
  if (code !== 'ENOENT' && code !== 'ENOTDIR') return '';
  for (let folder = dirname(name); folder !== '/'; folder = dirname(folder)) {
    const names = await readdir(folder).catch(() => undefined);
    if (names === undefined) continue;
    const listed = names.filter((one) => !one.startsWith('.')).sort();
    const list = listed.length === 0 ? 'nothing' : listed.slice(0, 8).join(', ') + (listed.length > 8 ? ', …' : '');
    const missing = name.slice(folder.length + 1).split('/')[0] ?? '';
    const suggestion = didYouMean(missing, listed).replace(': did', ' Did');
    return ` It does not exist; ${folder} holds ${list}.${suggestion}`;
  }
  return ' It does not exist on this machine.';
}

const isFile = (path: string): Promise<boolean> =>
  stat(path).then(
    (stats) => stats.isFile(),
    () => false,
  );
