import { setTimeout as sleep } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import { runFolder, type JobFolder } from '../../configs/paths.ts';
import { withHeartbeat } from '../shared/temporal/heartbeat.ts';
import { listManifests } from '../shared/files/checkpoint-files.ts';
import { readDiskSpace } from '../shared/files/free-space.ts';

const pollMs = 2_000;
const mebibyte = 1024 * 1024;
/** For logs, progress and manifests beside the next checkpoint. */
const marginBytes = 64 * mebibyte;
const minBytes = 16 * mebibyte;

export interface SpaceRequest {
  runId: string;
  /** 0: as much as the next checkpoint needs, going by the newest one. */
  bytes: number;
}

export interface SpaceFound {
  freeBytes: number;
  neededBytes: number;
}

/** Waits until the disk of the run has room again: a person frees it, or another program does. */
export const createWaitForSpace =
  ({ home }: { home: string }) =>
  async ({ runId, bytes }: SpaceRequest): Promise<SpaceFound> => {
    const { cancellationSignal } = Context.current();
    const job = runFolder(home, runId).train;
    let details: unknown = 'starting';
    return withHeartbeat(
      () => details,
      async () => {
        const wantedBytes = bytes > 0 ? bytes : await estimateNeededBytes(job);
        for (;;) {
          cancellationSignal.throwIfAborted();
          const { freeBytes, totalBytes } = await readDiskSpace(job.dir);
          // More than that would be waited for in vain on a small disk.
          const neededBytes = Math.min(wantedBytes, Math.floor(totalBytes / 2));
          if (freeBytes >= neededBytes) return { freeBytes, neededBytes };
          details = { freeBytes, neededBytes };
          await sleep(pollMs);
        }
      },
    );
  };

async function estimateNeededBytes(job: JobFolder): Promise<number> {
  const manifests = (await listManifests(job)).flatMap(({ manifest }) => (manifest === undefined ? [] : [manifest]));
  const newest = manifests.sort((a, b) => b.createdAt - a.createdAt)[0];
  return Math.max(minBytes, (newest?.bytes ?? 0) + marginBytes);
}
