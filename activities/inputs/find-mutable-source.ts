import type { CatalogFile } from '../../configs/schema/index.ts';
import { CodedError } from '../shared/errors/coded-error.ts';
import { parseAllowedUrl } from '../shared/download/sources/source-policy.ts';
import { localSource } from './local-source.ts';
import type { PreparationContext } from './preparation-context.ts';
import type { MutableSource } from './mutable-source.ts';
import { s3ObjectSource } from './s3-object-source.ts';
import { s3PrefixSource } from './s3-prefix-source.ts';

/**
 * Returns the mutable source of a file whose first URL is `file:` or `s3:` and that has no published hash. A URL that
 * ends in `/` is a folder, which is packed into an archive. Further URLs are ignored, because their content could differ.
 * Returns undefined for all other files.
 * @throws CodedError DownloadRefused when the policy does not allow the URL.
 */
export function findMutableSource(
  { urls, sha256, file }: CatalogFile,
  context: PreparationContext,
): MutableSource | undefined {
  const [url] = urls;
  if (url === undefined || !/^(file|s3):/.test(url)) return undefined;
  const isFolder = url.endsWith('/');
  if (sha256 !== null) {
    if (!isFolder) return undefined;
    throw new CodedError(
      'DownloadRefused',
      `${url} is a folder, and the store contains no archive of it with the sha256 ${sha256}.`,
    );
  }
  const address = parseAllowedUrl(url, context.policy);
  if (address.protocol === 'file:') return localSource(file, address, context);
  return isFolder ? s3PrefixSource(file, address, context) : s3ObjectSource(file, address, context);
}
