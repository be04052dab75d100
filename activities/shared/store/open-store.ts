import { fileURLToPath } from 'node:url';
import { homeFolders } from '../../../configs/paths.ts';
import { CodedError } from '../errors/coded-error.ts';
import type { ArtifactStore } from './artifact-store.ts';
import { localStore } from './local-store.ts';
import type { S3Options } from './s3-bucket.ts';
import { s3Store } from './s3-store.ts';

interface StoreEnvironment {
  /** Root folder of all files. */
  readonly home: string;
  readonly s3: Pick<S3Options, 'endpoint' | 'region' | 'credentials'>;
}

const stallMs = 30_000;
/** Larger parts are not faster. An upload uses memory for four parts. */
const partBytes = 16 * 1024 * 1024;

/**
 * Opens an artifact store.
 * @param address `file:///folder`, or `s3://bucket` with an optional prefix.
 */
export function openStore(address: string, { home, s3 }: StoreEnvironment): ArtifactStore {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url?.protocol === 'file:' && url.host === '') return localStore(fileURLToPath(url).replace(/\/$/, ''));
  const hasExtraParts = url !== undefined && [url.username, url.password, url.port, url.search, url.hash].some(Boolean);
  if (url?.protocol !== 's3:' || url.hostname === '' || hasExtraParts) {
    // The message omits the address, because it may contain credentials.
    throw new CodedError('StoreRefused', 'Expected the store address to be file:///FOLDER or s3://BUCKET/PREFIX.');
  }
  const prefix = url.pathname.replace(/^\/+|\/+$/g, '');
  const place = { bucket: url.hostname, prefix: prefix === '' ? '' : `${prefix}/` };
  return s3Store(place, { ...s3, stallMs, partBytes, stateFolder: homeFolders(home).uploads });
}
