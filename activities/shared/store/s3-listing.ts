import { DeleteObjectsCommand, paginateListObjectsV2 } from '@aws-sdk/client-s3';
import { CodedError } from '../errors/coded-error.ts';
import type { ListedObject } from './artifact-store.ts';
import type { S3Bucket } from './s3-bucket.ts';

/** Limit of S3. */
const maxKeysPerRequest = 1000;

/** Lists the objects under a prefix of the store. */
export function listObjects(
  bucket: S3Bucket,
  prefix: string,
  under: string,
  signal: AbortSignal | undefined,
): Promise<ListedObject[]> {
  const pages = { Bucket: bucket.name, Prefix: `${prefix}${under}` };
  return bucket.request(`Listing ${bucket.uri(pages.Prefix)}`, signal, async () => {
    const found: ListedObject[] = [];
    for await (const { Contents = [] } of paginateListObjectsV2({ client: bucket.client }, pages)) {
      for (const { Key = '', Size = 0 } of Contents) found.push({ key: Key.slice(prefix.length), bytes: Size });
    }
    return found;
  });
}

/** Deletes objects, in batches of the size that S3 allows. */
export async function removeObjects(bucket: S3Bucket, keys: string[], signal: AbortSignal | undefined): Promise<void> {
  for (let first = 0; first < keys.length; first += maxKeysPerRequest) {
    const Objects = keys.slice(first, first + maxKeysPerRequest).map((Key) => ({ Key }));
    const command = new DeleteObjectsCommand({ Bucket: bucket.name, Delete: { Objects, Quiet: true } });
    const operation = `Deleting ${Objects.length} objects of s3://${bucket.name}`;
    const { Errors = [] } = await bucket.request(operation, signal, () =>
      bucket.client.send(command, { abortSignal: signal }),
    );
    const [failed] = Errors;
    if (failed !== undefined) {
      throw new CodedError('StoreRefused', `${operation} failed: ${failed.Code ?? ''} for ${failed.Key ?? ''}.`);
    }
  }
}
