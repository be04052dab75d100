import { CodedError } from '../errors/coded-error.ts';
import { isSameVersion, formatVersion, validatorOf, type FileVersion } from './sources/file-version.ts';
import { RangesUnusable, VersionChanged } from './sources/source-errors.ts';
import type { SourceResponse } from './sources/source.ts';
import type { FetchOptions } from './sources/download-request.ts';

/** @throws CodedError for an answer that can't belong to the file that is wanted, or to the version that was begun. */
export const checkResponse = (
  shown: string,
  { ranged, first, last, version }: SourceResponse,
  begun: FileVersion | null,
  wanted: FetchOptions,
): void => {
  const { bytes } = version;
  // A file of the wrong size is known before its first byte, and costs nobody the part they have.
  if (bytes !== null && wanted.bytes !== null && bytes !== wanted.bytes)
    throw sizeMismatch(shown, wanted.bytes, `${bytes}`);
  if (begun !== null && !isSameVersion(begun, version)) {
    const change = `${formatVersion(begun)}, then ${formatVersion(version)}`;
    throw new VersionChanged(`${shown} changed while it was fetched: ${change}.`, version);
  }
  if (wanted.sha256 !== null) return;
  if (bytes === null && wanted.bytes === null) {
    const why = 'neither the catalog nor the server says how large it is, so a cut-off file would pass for a whole one';
    throw new CodedError('DownloadRefused', `${shown} cannot be checked: ${why}.`);
  }
  const isAll = first === 0 && last === (wanted.bytes ?? bytes ?? Infinity) - 1;
  if (ranged && !isAll && validatorOf(version) === null) {
    throw new RangesUnusable(`${shown} names no version of the file, so pieces of it could be of different ones.`);
  }
};

export const sizeMismatch = (shown: string, expected: number, got: string): CodedError =>
  new CodedError('ChecksumMismatch', `Expected ${shown} to hold ${expected} bytes, got ${got}.`);
