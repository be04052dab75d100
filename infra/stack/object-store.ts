import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { HeadBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { z } from 'zod';
import { findFreePort, findFreePorts } from './free-port.ts';
import type { ProcessSpec } from './supervised-process.ts';

/** SeaweedFS as `weed mini`: a whole S3 server in one process, for tests and for the demo. */
export interface ObjectStore {
  endpoint: string;
  bucket: string;
  /** Of data and credentials. */
  folder: string;
  process: Omit<ProcessSpec, 'logFile'>;
  /** What a worker needs to use it: the SDK's own names. The secret itself stays in a file that only its owner reads. */
  workerEnv: Record<string, string>;
  /** It makes them in /tmp whatever it is told, and leaves some behind: to be removed once it was stopped. */
  sockets: string[];
}

export interface ObjectStoreOptions {
  /** The `weed` of the trainer's environment. */
  executable: string;
  /** For data and credentials; a store that is started again on it still has its objects. */
  folder: string;
  bucket: string;
  /** Taken where it is free. */
  preferredPort: number;
}

/** Of the embedded stack's own server. */
export const stackBucket = 'everswin';
export const objectStoreRegion = 'us-east-1';
const readyWithinMs = 30_000;

/** Server and credentials, for `KeptAlive`; nothing runs yet. Credentials are made once a folder. */
export async function configureObjectStore(options: ObjectStoreOptions): Promise<ObjectStore> {
  const { executable, folder, bucket, preferredPort: wishedPort } = options;
  for (const part of ['data', 'tmp']) await mkdir(`${folder}/${part}`, { recursive: true });
  await chmod(folder, 0o700);
  const files = { identities: `${folder}/identities.json`, credentials: `${folder}/credentials` };
  await ensureCredentials(files);
  const port = await findFreePort(wishedPort);
  const argv = [
    ...['mini', `-dir=${folder}/data`, '-ip=127.0.0.1', '-ip.bind=127.0.0.1', `-bucket=${bucket}`],
    ...[`-s3.port=${port}`, `-s3.config=${files.identities}`, '-s3.port.iceberg=0', '-s3.port.lance=0'],
    // Nothing but S3, and nobody is told of it.
    ...['-s3.iam=false', '-webdav=false', '-admin.ui=false', '-master.telemetry=false'],
    '-volume.preStopSeconds=0',
    ...[`-s3.localSocket=${folder}/s3.sock`, `-filer.localSocket=${folder}/filer.sock`],
    ...(await internalPorts()),
  ];
  const endpoint = `http://127.0.0.1:${port}`;
  return {
    sockets: argv.flatMap((option) => {
      const [, part = '', grpcPort = ''] = /^-(\w+)\.port\.grpc=(\d+)$/.exec(option) ?? [];
      return part === '' ? [] : [`/tmp/seaweedfs-${part}-grpc-${grpcPort}.sock`];
    }),
    endpoint,
    bucket,
    folder,
    process: { name: 'object-store', executable, argv, env: { TMPDIR: `${folder}/tmp` }, graceMs: 5_000 },
    workerEnv: {
      AWS_ENDPOINT_URL_S3: endpoint,
      AWS_REGION: objectStoreRegion,
      AWS_SHARED_CREDENTIALS_FILE: files.credentials,
    },
  };
}

/** Its parts talk to one another over loopback; each wants a port, and their defaults may be taken. */
async function internalPorts(): Promise<string[]> {
  const parts = ['s3.port.grpc', 'master.port', 'master.port.grpc', 'volume.port', 'volume.port.grpc'];
  const names = [...parts, 'filer.port', 'filer.port.grpc', 'admin.port', 'admin.port.grpc'];
  const ports = await findFreePorts(names.length);
  return names.map((name, index) => `-${name}=${ports[index] ?? 0}`);
}

async function ensureCredentials(files: { identities: string; credentials: string }): Promise<void> {
  if (existsSync(files.credentials)) return;
  const [accessKey, secretKey] = [randomBytes(10).toString('hex'), randomBytes(30).toString('base64url')];
  const identity = {
    name: 'everswin',
    credentials: [{ accessKey, secretKey }],
    actions: ['Admin', 'Read', 'List', 'Tagging', 'Write'],
  };
  await writeFile(files.identities, JSON.stringify({ identities: [identity] }), { mode: 0o600 });
  const profile = `[default]\naws_access_key_id = ${accessKey}\naws_secret_access_key = ${secretKey}\n`;
  // Last: once this file is there, the other one is whole.
  await writeFile(files.credentials, profile, { mode: 0o600 });
}

/** Returns when it serves S3 and its bucket is there: it refuses strangers before it has one. */
export async function waitForObjectStore({ endpoint, bucket, folder }: ObjectStore, log: string): Promise<void> {
  const deadline = performance.now() + readyWithinMs;
  const credentials = await readObjectStoreCredentials(folder);
  const place = { endpoint, region: objectStoreRegion, forcePathStyle: true };
  const client = new S3Client({ ...place, credentials, maxAttempts: 1 });
  try {
    while (!(await hasBucket(client, bucket))) {
      if (performance.now() > deadline) throw new Error(`The object store did not answer. Its log is ${log}`);
      await sleep(50);
    }
  } finally {
    client.destroy();
  }
}

const hasBucket = (client: S3Client, bucket: string): Promise<boolean> =>
  client.send(new HeadBucketCommand({ Bucket: bucket }), { abortSignal: AbortSignal.timeout(2_000) }).then(
    () => true,
    () => false,
  );

const Identities = z.object({
  identities: z.tuple([
    z.object({ credentials: z.tuple([z.object({ accessKey: z.string(), secretKey: z.string() })]) }),
  ]),
});

/** For a client that is not to be told by its environment, such as a test. */
export async function readObjectStoreCredentials(folder: string) {
  const text = await readFile(`${folder}/identities.json`, 'utf8');
  const [{ credentials }] = Identities.parse(JSON.parse(text)).identities;
  const [{ accessKey, secretKey }] = credentials;
  return { accessKeyId: accessKey, secretAccessKey: secretKey };
}
