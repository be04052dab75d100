import { contentKey } from '../shared/steps/content-key.ts';
import { seeObject } from '../shared/download/sources/s3-look.ts';
import { showUrl } from '../shared/download/sources/show-url.ts';
import { downloadInto } from './download-into.ts';
import type { ObtainContext } from './obtain-context.ts';
import type { OwnSource } from './own-source.ts';
import { withS3Client } from './with-s3-client.ts';

/** An object of a bucket that may be replaced, such as annotations. @param url as the policy has admitted it. */
export function s3ObjectSource(file: string, url: URL, context: ObtainContext): OwnSource {
  const see = async () => {
    const { etag, lastModified, bytes } = await withS3Client(context, ({ s3, signal }) => seeObject(s3(), url, signal));
    return {
      look: contentKey([etag ?? lastModified, bytes]),
      need: () => Promise.resolve({ fetchBytes: bytes, diskBytes: bytes }),
      take: () => downloadInto({ file, urls: [url.href] }, { bytes: null, sha256: null }, context),
    };
  };
  return { url: url.href, shown: showUrl(url.href), isFolder: false, see };
}
