import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { HeadBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { z } from 'zod';
import { findFreePort, findFreePorts } from './free-port.ts';
import type { ProcessSpec } from './supervised-process.ts';

/** An S3 server in one process (SeaweedFS, `weed mini`) for tests and the demo. */
export interface ObjectStore {
  endpoint: string;
  bucket: string;
  /** Contains data and credentials. */
  folder: string;
  process: Omit<ProcessSpec, 'logFile'>;
  /** Variables of the AWS SDK for its clients. The secret stays in a file that only its owner can read. */
  workerEnv: Record<string, string>;
  /** Sockets that the server creates in /tmp and may leave behind; delete them after it has stopped. */
  sockets: string[];
}

interface ObjectStoreOptions {
  /** Path of `weed` in the trainer's environment. */
  executable: string;
  /** Folder of data and credentials; a server that is restarted on it keeps its objects. */
  folder: string;
  bucket: string;
  preferredPort: number;
}

/** Bucket of the embedded stack. */
export const stackBucket = 'everswin';
export const objectStoreRegion = 'us-east-1';
const startupTimeoutMs = 30_000;

/** Prepares the folder and returns the process to supervise. Credentials are created once per folder. */
export async function configureObjectStore(options: ObjectStoreOptions): Promise<ObjectStore> {
  const { executable, folder, bucket, preferredPort } = options;
  for (const part of ['data', 'tmp']) await mkdir(`${folder}/${part}`, { recursive: true });
  await chmod(folder, 0o700);
  const files = { identities: `${folder}/identities.json`, credentials: `${folder}/credentials` };
  await ensureCredentials(files);
  const port = await findFreePort(preferredPort);
  const argv = [
    ...['mini', `-dir=${folder}/data`, '-ip=127.0.0.1', '-ip.bind=127.0.0.1', `-bucket=${bucket}`],
    ...[`-s3.port=${port}`, `-s3.config=${files.identities}`, '-s3.port.iceberg=0', '-s3.port.lance=0'],
    // Disable everything except S3, and telemetry.
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

/** Assigns free ports to the internal services, whose default ports may be in use. */
async function internalPorts(): Promise<string[]> {
  const services = ['s3.port.grpc', 'master.port', 'master.port.grpc', 'volume.port', 'volume.port.grpc'];
  const names = [...services, 'filer.port', 'filer.port.grpc', 'admin.port', 'admin.port.grpc'];
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
  // Written last: the check above relies on the other file being complete once this one exists.
  await writeFile(files.credentials, profile, { mode: 0o600 });
}

/** Waits until the server answers and its bucket exists. */
export async function waitForObjectStore({ endpoint, bucket, folder }: ObjectStore, logFile: string): Promise<void> {
  const deadline = performance.now() + startupTimeoutMs;
  const credentials = await readObjectStoreCredentials(folder);
  const server = { endpoint, region: objectStoreRegion, forcePathStyle: true };
  const client = new S3Client({ ...server, credentials, maxAttempts: 1 });
  try {
    while (!(await hasBucket(client, bucket))) {
      if (performance.now() > deadline)
        throw new Error(
          `The object store at ${endpoint} did not start within ${startupTimeoutMs / 1000} s. Read its log: ${logFile}`,
        );
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

/** Reads the credentials, for a client that is not configured through its environment. */
export async function readObjectStoreCredentials(folder: string) {
  const text = await readFile(`${folder}/identities.json`, 'utf8');
  const [{ credentials }] = Identities.parse(JSON.parse(text)).identities;
  const [{ accessKey, secretKey }] = credentials;
  return { accessKeyId: accessKey, secretAccessKey: secretKey };
}
