/** Creates a context to prepare inputs in a temporary folder, without a catalog or the embedded stack. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { S3Client } from '@aws-sdk/client-s3';
import { z } from 'zod';
import { createDownloadLimits } from '../../activities/shared/download/sources/download-limits.ts';
import type { PreparationContext } from '../../activities/inputs/preparation-context.ts';
import { objectStoreRegion } from '../../infra/stack/object-store.ts';
import { projectRoot, python, recipesFolder } from './project.ts';
import type { S3Server } from './s3-server.ts';

interface RecordedRequest {
  command: string;
  key: string;
}

export async function createPreparationContext(server?: Pick<S3Server, 'endpoint' | 'credentials' | 'bucket'>) {
  const home = await mkdtemp(`${tmpdir()}/everswin-obtain-`);
  /** All requests to S3, and hooks that run before each. */
  const requests: RecordedRequest[] = [];
  const hooks: ((request: RecordedRequest) => Promise<void> | void)[] = [];
  const s3 = (): S3Client => {
    const client = new S3Client({
      region: objectStoreRegion,
      ...(server && { endpoint: server.endpoint, credentials: server.credentials, forcePathStyle: true }),
    });
    client.middlewareStack.add(
      (next, { commandName = '' }) =>
        async (args) => {
          const { Key: key = '' } = z.looseObject({ Key: z.string().optional() }).parse(args.input);
          const request = { command: commandName.replace(/Command$/, ''), key };
          requests.push(request);
          for (const hook of hooks) await hook(request);
          return next(args);
        },
      { step: 'initialize' },
    );
    return client;
  };
  const context: PreparationContext = {
    home,
    recipesFolder,
    s3,
    demoUrl: undefined,
    fresh: false,
    python: { executable: python, env: { PYTHONPATH: `${projectRoot}/trainer`, PATH: '/usr/bin:/bin' } },
    catalog: { redirectHosts: [], datasets: {}, weights: {} },
    policy: {
      hosts: new Set(),
      loopback: new Set(),
      files: true,
      buckets: new Set(server === undefined ? [] : [server.bucket, 'elsewhere']),
    },
    limits: createDownloadLimits({ connections: 4, bytesPerSecond: undefined }),
    onProgress: () => undefined,
    signal: new AbortController().signal,
  };
  return { home, context, requests, hooks, remove: () => rm(home, { recursive: true, force: true }) };
}
export type TestPreparationContext = Awaited<ReturnType<typeof createPreparationContext>>;
