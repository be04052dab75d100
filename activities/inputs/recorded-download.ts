import { homeFolders } from '../../configs/paths.ts';
import type { CatalogFile } from '../../configs/schema/index.ts';
import { findRecordedHash, recordHash, type FileHash } from '../shared/download/recorded-hash.ts';
import { contentKey } from '../shared/steps/content-key.ts';

type Source = Pick<CatalogFile, 'file' | 'urls'>;

/** Returns hash and size that the first download of a file recorded; undefined before it. */
export const findRecordedDownload = (home: string, source: Source): Promise<FileHash | undefined> =>
  findRecordedHash(homeFolders(home).recordedHashes, recordName(source));

/** Records hash and size of the first download. @throws CodedError ChecksumMismatch if another hash is recorded. */
export const recordDownload = (home: string, source: Source, hash: FileHash): Promise<void> =>
  recordHash(homeFolders(home).recordedHashes, recordName(source), hash);

const recordName = ({ file, urls }: Source): string => `${file}-${contentKey(urls).slice(0, 12)}`;
