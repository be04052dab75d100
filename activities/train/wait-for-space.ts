import { mkdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import { homeFolders, runFolder } from '../../configs/paths.ts';
import { errorMessage, systemErrorCode } from '../shared/errors/coded-error.ts';
import { withHeartbeat } from '../shared/temporal/heartbeat.ts';
import { listManifests } from '../shared/files/checkpoint-files.ts';
import { readDiskSpace } from '../shared/files/free-space.ts';
import { outputFolder, probeStorage } from './probe-storage.ts';

const pollMs = 2_000;
/** A probe may write as much as a checkpoint. */
const longestPollMs = 30_000;
const mebibyte = 1024 * 1024;
/** Margin for logs, progress and manifests. */
const marginBytes = 64 * mebibyte;
const minBytes = 16 * mebibyte;
const longestProbeBytes = 2048 * mebibyte;

interface SpaceRequest {
  runId: string;
  /** Bytes to wait for; 0 estimates the size of the next checkpoint from the newest one. */
  bytes: number;
  /** Whether the run only tests. */
  isEvaluation?: boolean;
}

export interface SpaceFound {
  freeBytes: number;
  neededBytes: number;
}

/** Waits until a user or another program frees space on the disk of the run, or repairs its storage. */
export const createWaitForSpace =
  ({ home }: { home: string }) =>
  async (request: SpaceRequest): Promise<SpaceFound> => {
    const { cancellationSignal } = Context.current();
    const { runId, bytes, isEvaluation = false } = request;
    const folder = runFolder(home, runId);
    const output = outputFolder(folder, isEvaluation);
    const { store, steps } = homeFolders(home);
    let details: unknown = 'starting';
    return withHeartbeat(
      () => details,
      async () => {
        for (let waitMs = pollMs; ;) {
          cancellationSignal.throwIfAborted();
          try {
            const found = await readSpace(output, bytes);
            details = found;
            if (found.freeBytes >= found.neededBytes) {
              await probeStorage(
                folder,
                isEvaluation,
                [store, steps],
                Math.min(found.neededBytes, longestProbeBytes),
                cancellationSignal,
              );
              return found;
            }
          } catch (error) {
            if (!(error instanceof Error) || systemErrorCode(error) === undefined) throw error;
            details = errorMessage(error);
            waitMs = Math.min(2 * waitMs, longestPollMs);
          }
          await sleep(waitMs, undefined, { signal: cancellationSignal }).catch(() => undefined);
        }
      },
    );
  };

async function readSpace(output: string, bytes: number): Promise<SpaceFound> {
  await mkdir(output, { recursive: true });
  const { freeBytes, totalBytes } = await readDiskSpace(output);
  const requestedBytes = bytes > 0 ? bytes : await estimateNeededBytes(output);
  // On a small disk, a larger request could never be met.
  return { freeBytes, neededBytes: Math.min(requestedBytes, Math.floor(totalBytes / 2)) };
}

async function estimateNeededBytes(output: string): Promise<number> {
  const manifests = (await listManifests(output)).flatMap(({ manifest }) => (manifest === undefined ? [] : [manifest]));
  const newest = manifests.sort((a, b) => b.createdAt - a.createdAt)[0];
  return Math.max(minBytes, (newest?.bytes ?? 0) + marginBytes);
}
