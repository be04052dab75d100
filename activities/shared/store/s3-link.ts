import { GetObjectCommand } from '@aws-sdk/client-s3';
import { z } from 'zod';
import { presignGet } from './presign.ts';
import type { S3Bucket } from './s3-bucket.ts';

/** What we need of a request that the SDK built. */
const BuiltRequest = z.object({
  protocol: z.string(),
  hostname: z.string(),
  port: z.int().optional(),
  path: z.string(),
});

/** Signed here: nothing is asked of the server. */
export async function makeLink(bucket: S3Bucket, key: string, validSeconds: number): Promise<string> {
  const { config } = bucket.client;
  const [url, region, signingKey] = await Promise.all([addressOf(bucket, key), config.region(), config.credentials()]);
  return presignGet({ url, region, key: signingKey, validSeconds, now: new Date() });
}

/** Where the SDK would fetch the object from, with whatever endpoint its environment names: the request is built, not sent. */
async function addressOf(bucket: S3Bucket, key: string): Promise<URL> {
  const command = new GetObjectCommand({ Bucket: bucket.name, Key: key });
  let built: unknown;
  command.middlewareStack.add(
    () => (args) => {
      built = args.request;
      return Promise.resolve({ response: undefined, output: { $metadata: {} } });
    },
    { step: 'finalizeRequest', priority: 'high' },
  );
  await bucket.client.send(command);
  const { protocol, hostname, port, path } = BuiltRequest.parse(built);
  return new URL(`${protocol}//${hostname}${port === undefined ? '' : `:${port}`}${path}`);
}
