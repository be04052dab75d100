import { homeFolders } from '../../configs/paths.ts';
import { contentKey } from '../shared/steps/content-key.ts';
import { objectKey, listPrefix } from '../shared/download/sources/s3-inspect.ts';
import { redactUrl } from '../shared/download/sources/redact-url.ts';
import type { PreparationContext } from './preparation-context.ts';
import type { MutableSource } from './mutable-source.ts';
import { packFolder } from './pack-folder.ts';
import { findMissingFiles, sumBytes, withPrefixFolder, type PrefixCopy } from './prefix-copy.ts';
import { toPrefixFiles, type PrefixFile } from './prefix-files.ts';
import { withS3Client } from './with-s3-client.ts';

/**
 * Creates the source of all objects under an S3 prefix, which are imported as a folder.
 * @param url that the policy allows; it ends in `/`.
 */
export function s3PrefixSource(file: string, url: URL, context: PreparationContext): MutableSource {
  const displayName = redactUrl(url.href);
  const prefix = objectKey(url);
  const folder = homeFolders(context.home).prefix(contentKey(url.href));
  const addressOf = ({ object }: PrefixFile) =>
    `s3://${url.host}/${object.key.split('/').map(encodeURIComponent).join('/')}`;
  const inspect = async () => {
    const objects = await withS3Client(context, ({ s3, signal }) => listPrefix(s3(), url, signal));
    const files = toPrefixFiles(displayName, prefix, objects);
    const copy: PrefixCopy = { folder, displayName, progressName: file, files, addressOf };
    return {
      signature: contentKey(files.map(({ copyName }) => copyName)),
      measure: async () => {
        const downloadBytes = sumBytes(await findMissingFiles(copy));
        return { downloadBytes, diskBytes: downloadBytes + sumBytes(files) };
      },
      importFile: () =>
        withS3Client(context, (shared) =>
          withPrefixFolder(copy, shared, (tree) => packFolder(tree, displayName, shared)),
        ),
    };
  };
  return { url: url.href, displayName, isFolder: true, inspect };
}
