/** Version of a file at its source. */
export interface FileVersion {
  readonly etag: string | null;
  readonly lastModified: string | null;
  readonly bytes: number | null;
}

/** Returns the value for If-Range, which excludes weak ETags; null when the source sent no validator. */
export const validatorOf = ({ etag, lastModified }: FileVersion): string | null =>
  etag !== null && !etag.startsWith('W/') ? etag : lastModified;

export const isSameVersion = (before: FileVersion, after: FileVersion): boolean => {
  if (before.bytes !== null && after.bytes !== null && before.bytes !== after.bytes) return false;
  if (before.etag !== null && after.etag !== null) return before.etag === after.etag;
  return before.lastModified === after.lastModified;
};

export const formatVersion = ({ etag, lastModified, bytes }: FileVersion): string =>
  `${etag ?? lastModified ?? 'unnamed'} (${bytes ?? 'unknown'} bytes)`;
