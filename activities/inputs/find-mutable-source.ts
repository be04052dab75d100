import type { CatalogFile } from '../../configs/schema/index.ts';
import { CodedError } from '../shared/errors/coded-error.ts';
import { parseAllowedUrl } from '../shared/download/sources/source-policy.ts';
import { localSource } from './local-source.ts';
import type { PreparationContext } from './preparation-context.ts';
import type { MutableSource } from './mutable-source.ts';
import { s3ObjectSource } from './s3-object-source.ts';
import { s3PrefixSource } from './s3-prefix-source.ts';

/**
 * A file without a published hash whose first address is `file:` or `s3:`; a folder, packed into an archive, where that ends
 * in `/`. Its further addresses are not asked: nobody could tell which of them is right. Undefined for all other files.
 * @throws CodedError DownloadRefused when the policy does not allow it.
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
    throw new CodedError('DownloadRefused', `${url} is a folder, and the store has no archive of it with this sha256.`);
  }
  const address = parseAllowedUrl(url, context.policy);
  if (address.protocol === 'file:') return localSource(file, address, context);
  return isFolder ? s3PrefixSource(file, address, context) : s3ObjectSource(file, address, context);
}
