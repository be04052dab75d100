/**
 * Starts a real S3 server, SeaweedFS from the trainer's environment, in a temporary folder. EVERSWIN_TEST_S3 names the
 * endpoint of another server instead; the variables of the AWS SDK hold its credentials.
 */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { CreateBucketCommand, DeleteBucketCommand, S3Client } from '@aws-sdk/client-s3';
import type { ArtifactStore } from '../../activities/shared/store/artifact-store.ts';
import type { S3Options } from '../../activities/shared/store/s3-bucket.ts';
import { s3Store } from '../../activities/shared/store/s3-store.ts';
import { SupervisedProcess } from '../../infra/stack/supervised-process.ts';
import {
  objectStoreRegion,
  configureObjectStore,
  readObjectStoreCredentials,
  waitForObjectStore,
} from '../../infra/stack/object-store.ts';
import { weed } from './project.ts';

export interface S3Server {
  endpoint: string;
  bucket: string;
  credentials: { accessKeyId: string; secretAccessKey: string };
  /** Environment that a child process needs to use the server. */
  env: Record<string, string>;
  pid: () => number | undefined;
  options: (over?: Partial<S3Options>) => S3Options;
  /** @param prefix ends with a slash. */
  store: (prefix: string, over?: Partial<S3Options>) => ArtifactStore;
  stop: () => Promise<void>;
}

export function startS3Server(): Promise<S3Server> {
  const { EVERSWIN_TEST_S3: endpoint } = process.env;
  return endpoint === undefined ? startSeaweed() : useServer(endpoint);
}

async function startSeaweed(): Promise<S3Server> {
  const folder = await mkdtemp(`${tmpdir()}/everswin-s3-`);
  const planned = await configureObjectStore({ executable: weed, folder, bucket: 'everswin', preferredPort: 0 });
  const log = `${folder}/server.log`;
  const server = new SupervisedProcess({ ...planned.process, logFile: log }, (death) =>
    console.error('the S3 server of the tests has ended', death),
  );
  await waitForObjectStore(planned, log);
  const { endpoint, bucket, workerEnv } = planned;
  const credentials = await readObjectStoreCredentials(folder);
  return {
    ...describeServer({ endpoint, bucket, credentials, region: objectStoreRegion }, folder),
    env: workerEnv,
    pid: () => server.pid,
    stop: async () => {
      await server.stop();
      for (const path of [folder, ...planned.sockets]) await rm(path, { recursive: true, force: true });
    },
  };
}

/** Creates a bucket of its own on a server that runs already, and removes it at the end. */
async function useServer(endpoint: string): Promise<S3Server> {
  const folder = await mkdtemp(`${tmpdir()}/everswin-s3-`);
  const bucket = `everswin-test-${randomUUID()}`;
  const {
    AWS_ACCESS_KEY_ID: accessKeyId = '',
    AWS_SECRET_ACCESS_KEY: secretAccessKey = '',
    AWS_REGION: region = objectStoreRegion,
  } = process.env;
  const credentials = { accessKeyId, secretAccessKey };
  const client = new S3Client({ endpoint, region, credentials, forcePathStyle: true });
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
  const server = describeServer({ endpoint, bucket, credentials, region }, folder);
  const env = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_REGION: region };
  return {
    ...server,
    env: { ...env, AWS_ENDPOINT_URL_S3: endpoint },
    pid: () => undefined,
    stop: async () => {
      const all = server.store('');
      await all.abortStaleUploads('', 0);
      await all.remove((await all.list('')).map(({ key }) => key));
      await client.send(new DeleteBucketCommand({ Bucket: bucket }));
      client.destroy();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function describeServer(
  { endpoint, bucket, credentials, region }: Pick<S3Server, 'endpoint' | 'bucket' | 'credentials'> & { region: string },
  folder: string,
): Pick<S3Server, 'endpoint' | 'bucket' | 'credentials' | 'options' | 'store'> {
  const options = (over: Partial<S3Options> = {}): S3Options => ({
    endpoint,
    region,
    credentials,
    stallMs: 20_000,
    partBytes: 5 * 1024 * 1024,
    stateFolder: `${folder}/uploads`,
    ...over,
  });
  return {
    endpoint,
    bucket,
    credentials,
    options,
    store: (prefix, over) => s3Store({ bucket, prefix }, options(over)),
  };
}
