/** Starts a real S3 server, SeaweedFS from the trainer's environment, in a temporary folder. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
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

export async function startS3Server(): Promise<S3Server> {
  const folder = await mkdtemp(`${tmpdir()}/everswin-s3-`);
  const planned = await configureObjectStore({ executable: weed, folder, bucket: 'everswin', preferredPort: 0 });
  const log = `${folder}/server.log`;
  const server = new SupervisedProcess({ ...planned.process, logFile: log }, (death) =>
    console.error('the S3 server of the tests has ended', death),
  );
  await waitForObjectStore(planned, log);
  const { endpoint, bucket, workerEnv } = planned;
  const credentials = await readObjectStoreCredentials(folder);
  const options = (over: Partial<S3Options> = {}): S3Options => ({
    endpoint,
    region: objectStoreRegion,
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
    env: workerEnv,
    options,
    pid: () => server.pid,
    store: (prefix, over) => s3Store({ bucket, prefix }, options(over)),
    stop: async () => {
      await server.stop();
      for (const path of [folder, ...planned.sockets]) await rm(path, { recursive: true, force: true });
    },
  };
}
