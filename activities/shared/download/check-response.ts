import { CodedError } from '../errors/coded-error.ts';
import { isSameVersion, formatVersion, validatorOf, type FileVersion } from './sources/file-version.ts';
import { RangesUnusable, VersionChanged } from './sources/source-errors.ts';
import type { SourceResponse } from './sources/source.ts';
import type { FetchOptions } from './sources/download-request.ts';

/**
 * Rejects responses that cannot belong to the requested file or to the version of the existing part.
 * @throws CodedError
 */
export const checkResponse = (
  displayUrl: string,
  { ranged, first, last, version }: SourceResponse,
  current: FileVersion | null,
  options: FetchOptions,
): void => {
  const { bytes } = version;
  // A wrong size is detected before the first byte, so an existing part is kept.
  if (bytes !== null && options.bytes !== null && bytes !== options.bytes)
    throw sizeMismatch(displayUrl, options.bytes, `${bytes}`);
  if (current !== null && !isSameVersion(current, version)) {
    const change = `${formatVersion(current)}, then ${formatVersion(version)}`;
    throw new VersionChanged(`${displayUrl} changed during the download: ${change}.`, version);
  }
  if (options.sha256 !== null) return;
  if (bytes === null && options.bytes === null) {
    const reason = 'neither the catalog nor the server reports its size, so truncation would go unnoticed';
    throw new CodedError('DownloadRefused', `${displayUrl} cannot be verified: ${reason}.`);
  }
  const isAll = first === 0 && last === (options.bytes ?? bytes ?? Infinity) - 1;
  if (ranged && !isAll && validatorOf(version) === null) {
    throw new RangesUnusable(
      `${displayUrl} sends no ETag or Last-Modified, so ranges could come from different versions.`,
    );
  }
};

export const sizeMismatch = (displayUrl: string, expected: number, got: string): CodedError =>
  new CodedError('ChecksumMismatch', `Expected ${displayUrl} to have ${expected} bytes, got ${got}.`);
