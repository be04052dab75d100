import { setTimeout as sleep } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import { runFolder, type JobFolder } from '../../configs/paths.ts';
import { withHeartbeat } from '../shared/temporal/heartbeat.ts';
import { listManifests } from '../shared/files/checkpoint-files.ts';
import { readDiskSpace } from '../shared/files/free-space.ts';

const pollMs = 2_000;
const mebibyte = 1024 * 1024;
/** Margin for logs, progress and manifests. */
const marginBytes = 64 * mebibyte;
const minBytes = 16 * mebibyte;

interface SpaceRequest {
  runId: string;
  /** Bytes to wait for; 0 estimates the size of the next checkpoint from the newest one. */
  bytes: number;
}

export interface SpaceFound {
  freeBytes: number;
  neededBytes: number;
}

/** Waits until a user or another program frees space on the disk of the run. */
export const createWaitForSpace =
  ({ home }: { home: string }) =>
  async ({ runId, bytes }: SpaceRequest): Promise<SpaceFound> => {
    const { cancellationSignal } = Context.current();
    const job = runFolder(home, runId).train;
    let details: unknown = 'starting';
    return withHeartbeat(
      () => details,
      async () => {
        const requestedBytes = bytes > 0 ? bytes : await estimateNeededBytes(job);
        for (;;) {
          cancellationSignal.throwIfAborted();
          const { freeBytes, totalBytes } = await readDiskSpace(job.dir);
          // On a small disk, a larger request could never be met.
          const neededBytes = Math.min(requestedBytes, Math.floor(totalBytes / 2));
          if (freeBytes >= neededBytes) return { freeBytes, neededBytes };
          details = { freeBytes, neededBytes };
          await sleep(pollMs);
        }
      },
    );
  };

async function estimateNeededBytes(job: JobFolder): Promise<number> {
  const manifests = (await listManifests(job.checkpoints)).flatMap(({ manifest }) =>
    manifest === undefined ? [] : [manifest],
  );
  const newest = manifests.sort((a, b) => b.createdAt - a.createdAt)[0];
  return Math.max(minBytes, (newest?.bytes ?? 0) + marginBytes);
}
