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

export interface SharedStorageRequest {
  runId: string;
  /** This machine, as the run's input names it. */
  host: string;
  /** Those that have left their mark before. */
  expected: string[];
}

/**
 * Leaves this machine's mark in the run's folder and looks for those of the others: machines that train together hand
 * over checkpoints and control files there.
 */
export const createCheckSharedStorage =
  ({ home }: { home: string }, patienceMs = 30_000) =>
  ({ runId, host, expected }: SharedStorageRequest): Promise<Check> =>
    withHeartbeat(
      () => 'looking for the other hosts',
      async () => {
        const folder = runFolder(home, runId);
        const workflowRun = Context.current().info.workflowExecution?.runId ?? '';
        const markOf = (name: string) => `${folder.host(name).dir}/here.json`;
        await mkdir(folder.host(host).dir, { recursive: true });
        await writeFileAtomic(markOf(host), JSON.stringify({ workflowRun }));
        const isMissing = async (name: string) => (await readJson(markOf(name), Marker))?.workflowRun !== workflowRun;
        const deadline = performance.now() + patienceMs; // a network file system shows files late
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
  message: `${home} does not show what ${missing.join(', ')} wrote: it is not one folder for all hosts`,
  remedy: 'Start the GPU workers of all hosts with an EVERSWIN_HOME that all of them share, under the same path.',
});
