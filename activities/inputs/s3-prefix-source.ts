import { homeFolders } from '../../configs/paths.ts';
import { contentKey } from '../shared/steps/content-key.ts';
import { keyOf, listPrefix } from '../shared/download/sources/s3-look.ts';
import { redactUrl } from '../shared/download/sources/redact-url.ts';
import type { PreparationContext } from './preparation-context.ts';
import type { MutableSource } from './mutable-source.ts';
import { packFolder } from './pack-folder.ts';
import { findUncopied, sumBytes, withPrefixFolder, type PrefixCopy } from './prefix-copy.ts';
import { filesOfPrefix, type PrefixFile } from './prefix-files.ts';
import { withS3Client } from './with-s3-client.ts';

/** The objects under a prefix, as the folder that they would be. @param url as the policy has admitted it; ends in `/`. */
export function s3PrefixSource(file: string, url: URL, context: PreparationContext): MutableSource {
  const shown = redactUrl(url.href);
  const prefix = keyOf(url);
  const folder = homeFolders(context.home).prefix(contentKey(url.href));
  const addressOf = ({ seen }: PrefixFile) =>
    `s3://${url.host}/${seen.key.split('/').map(encodeURIComponent).join('/')}`;
  const see = async () => {
    const objects = await withS3Client(context, ({ s3, signal }) => listPrefix(s3(), url, signal));
    const files = filesOfPrefix(shown, prefix, objects);
    const copy: PrefixCopy = { folder, shown, what: file, files, addressOf };
    return {
      signature: contentKey(files.map(({ copy: content }) => content)),
      need: async () => {
        const fetchBytes = sumBytes(await findUncopied(copy));
        return { fetchBytes, diskBytes: fetchBytes + sumBytes(files) };
      },
      importFile: () =>
        withS3Client(context, (sharing) => withPrefixFolder(copy, sharing, (tree) => packFolder(tree, shown, sharing))),
    };
  };
  return { url: url.href, shown, isFolder: true, inspect: see };
}
