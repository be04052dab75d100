import { mkdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import { z } from 'zod';
import { runFolder } from '../../configs/paths.ts';
import type { Check } from '../../configs/schema/index.ts';
import { withHeartbeat } from '../shared/temporal/heartbeat.ts';
import { readJson } from '../shared/files/json-file.ts';
import { writeFileAtomic } from '../shared/files/atomic-file.ts';

const pollMs = 500;

const Marker = z.object({ workflowRun: z.string() });

interface SharedStorageRequest {
  runId: string;
  /** Name of this host in the run's input. */
  host: string;
  /** Hosts that have written their markers already. */
  expected: string[];
}

/**
 * Creates the activity that writes a marker of this host to the run folder and waits for the markers of the other hosts.
 * Hosts that train one model share checkpoints and control files there.
 */
export const createCheckSharedStorage =
  ({ home }: { home: string }, timeoutMs = 30_000) =>
  ({ runId, host, expected }: SharedStorageRequest): Promise<Check> =>
    withHeartbeat(
      () => 'waiting for the markers of other hosts',
      async () => {
        const folder = runFolder(home, runId);
        const workflowRun = Context.current().info.workflowExecution?.runId ?? '';
        const markerPath = (name: string) => `${folder.host(name).dir}/presence.json`;
        await mkdir(folder.host(host).dir, { recursive: true });
        await writeFileAtomic(markerPath(host), JSON.stringify({ workflowRun }));
        const isMissing = async (name: string) =>
          (await readJson(markerPath(name), Marker))?.workflowRun !== workflowRun;
        const deadline = performance.now() + timeoutMs; // Network file systems show new files with a delay.
        for (;;) {
          Context.current().cancellationSignal.throwIfAborted();
          const missing = [];
          for (const name of expected) if (await isMissing(name)) missing.push(name);
          if (missing.length === 0)
            return { name: 'shared folder', verdict: 'ok', message: folder.hosts, remedy: null };
          if (performance.now() > deadline) return notSharedError(home, missing);
          await sleep(pollMs);
        }
      },
    );

const notSharedError = (home: string, missing: string[]): Check => ({
  name: 'shared folder',
  verdict: 'error',
  message: `${home} is not shared by all hosts: the marker of ${missing.join(', ')} is missing`,
  remedy: 'Set EVERSWIN_HOME of all GPU workers to the same path on storage that all hosts share.',
});
