import { GetObjectCommand } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import type { ArtifactStore } from './artifact-store.ts';
import { assertKey } from './object-key.ts';
import { S3Bucket, type S3Options } from './s3-bucket.ts';
import { getObject } from './s3-get.ts';
import { headObject } from './s3-head.ts';
import { abortStaleUploads } from './s3-stale-uploads.ts';
import { listObjects, removeObjects } from './s3-listing.ts';
import { readS3Pointer, replaceS3Pointer } from './s3-pointer.ts';
import { putFile } from './s3-put.ts';
import { UploadStates } from './upload-state.ts';

interface S3Location {
  readonly bucket: string;
  /** Empty, or ends with a slash. */
  readonly prefix: string;
}

/** Creates a store in a bucket of any S3-compatible server. */
export function s3Store({ bucket: name, prefix }: S3Location, options: S3Options): ArtifactStore {
  const bucket = new S3Bucket(name, options);
  const address = `s3://${name}/${prefix}`.replace(/\/$/, '');
  const states = new UploadStates(options.stateFolder, `${options.endpoint ?? ''} ${address}`);
  const keyOf = (key: string): string => {
    assertKey(key);
    return `${prefix}${key}`;
  };
  return {
    address,
    put: (key, path, transfer = {}) => putFile(bucket, states, { ...transfer, key: keyOf(key), path }),
    get: (key, path, transfer = {}) => getObject(bucket, keyOf(key), path, transfer),
    head: (key, signal) => headObject(bucket, keyOf(key), signal),
    list: (under, signal) => listObjects(bucket, prefix, under, signal),
    remove: (keys, signal) => removeObjects(bucket, keys.map(keyOf), signal),
    read: (key, signal) => readS3Pointer(bucket, keyOf(key), signal),
    replace: (key, body, condition) => replaceS3Pointer(bucket, keyOf(key), body, condition),
    link: (key, validSeconds) =>
      getSignedUrl(bucket.client, new GetObjectCommand({ Bucket: name, Key: keyOf(key) }), { expiresIn: validSeconds }),
    abortStaleUploads: (under, olderThanMs, signal) =>
      abortStaleUploads(bucket, states, { under: `${prefix}${under}`, olderThanMs, signal }),
  };
}
