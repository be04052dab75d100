/** What a source says of a file to tell one version of it from another. */
export interface FileVersion {
  readonly etag: string | null;
  readonly lastModified: string | null;
  readonly bytes: number | null;
}

/** The value for If-Range, where a weak ETag is not allowed; null when the source gave nothing to compare. */
export const validatorOf = ({ etag, lastModified }: FileVersion): string | null =>
  etag !== null && !etag.startsWith('W/') ? etag : lastModified;

export const isSameVersion = (before: FileVersion, after: FileVersion): boolean => {
  if (before.bytes !== null && after.bytes !== null && before.bytes !== after.bytes) return false;
  if (before.etag !== null && after.etag !== null) return before.etag === after.etag;
  return before.lastModified === after.lastModified;
};

export const formatVersion = ({ etag, lastModified, bytes }: FileVersion): string =>
  `${etag ?? lastModified ?? 'unnamed'} (${bytes ?? 'unknown'} bytes)`;
