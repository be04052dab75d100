/** Both kinds of artifact store for shared tests: a folder, and a bucket of a real S3 server. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll } from 'vitest';
import type { ArtifactStore } from '../../activities/shared/store/artifact-store.ts';
import { localStore } from '../../activities/shared/store/local-store.ts';
import { startS3Server, type S3Server } from './s3-server.ts';

export const storeKinds = ['a folder', 'a bucket'] as const;

/** Creates the stores before the first test of a file and removes them after the last. */
export function useBothStores() {
  let folder = '';
  let server: S3Server;
  beforeAll(async () => {
    folder = await mkdtemp(`${tmpdir()}/everswin-stores-`);
    server = await startS3Server();
  });
  afterAll(async () => {
    await server.stop();
    await rm(folder, { recursive: true });
  });
  return {
    /** Temporary folder; stores of the first kind are in its `stores/<name>`. */
    folder: () => folder,
    /** @param name must be unique in the file. */
    open: (kind: (typeof storeKinds)[number], name: string): ArtifactStore =>
      kind === 'a folder' ? localStore(`${folder}/stores/${name}`) : server.store(`${name}/`),
  };
}
