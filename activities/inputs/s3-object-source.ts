import { contentKey } from '../shared/steps/content-key.ts';
import { inspectObject } from '../shared/download/sources/s3-inspect.ts';
import { redactUrl } from '../shared/download/sources/redact-url.ts';
import { downloadInto } from './download-into.ts';
import type { PreparationContext } from './preparation-context.ts';
import type { MutableSource } from './mutable-source.ts';
import { withS3Client } from './with-s3-client.ts';

/**
 * Creates the source of a replaceable S3 object, such as an annotation file.
 * @param url that the policy allows.
 */
export function s3ObjectSource(file: string, url: URL, context: PreparationContext): MutableSource {
  const inspect = async () => {
    const { etag, lastModified, bytes } = await withS3Client(context, ({ s3, signal }) =>
      inspectObject(s3(), url, signal),
    );
    return {
      signature: contentKey([etag ?? lastModified, bytes]),
      measure: () => Promise.resolve({ downloadBytes: bytes, diskBytes: bytes }),
      importFile: () => downloadInto({ file, urls: [url.href] }, { bytes: null, sha256: null }, context),
    };
  };
  return { url: url.href, displayName: redactUrl(url.href), isFolder: false, inspect };
}
