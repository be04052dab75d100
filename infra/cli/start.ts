import type { Client } from '@temporalio/client';
import type { WorkerDeploymentVersion } from '@temporalio/common';
import { evaluationId, evaluationRun, workflowId } from '../../configs/names.ts';
import { parseRunInput } from '../../configs/parse-input.ts';
import { readCurrentVersion } from '../../workers/worker-version.ts';
import { findChangedSettings } from '../client/changed-settings.ts';
import { findDroppedRun } from '../client/finished-runs.ts';
import { followRun } from '../client/follow-run.ts';
import { formatListedRun } from '../client/format-runs.ts';
import { startRun } from '../client/start-run.ts';
import { watchServer } from '../client/watch-server.ts';
import { withClient } from '../client/with-client.ts';
import { defaultHome } from '../stack/stack-options.ts';
import { formatRunHints } from '../client/run-hints.ts';
import { formatRunStatus } from '../terminal/format-run-status.ts';
import { createLiveDisplay } from '../terminal/live-display.ts';
import { printResult } from '../terminal/print-result.ts';
import { untilInterrupted } from '../terminal/wait-for-interrupt.ts';
import { workflowPage } from '../terminal/workflow-page.ts';
import { readRunInput } from './read-input.ts';

interface StartOptions {
  address?: string | undefined;
  fresh?: boolean | undefined;
  force?: boolean | undefined;
  pinned?: boolean | undefined;
  wait: boolean;
}

/**
 * Starts the run of a file, or joins the running one, and follows it in the terminal.
 * @param evaluate tests the initial weights of the run and trains nothing.
 */
export async function start(file: string, options: StartOptions, { evaluate = false } = {}): Promise<void> {
  const { address, fresh = false, force = false, pinned = false, wait } = options;
  const input = await readRunInput(file);
  const request = { ...input, fresh: input.fresh || fresh, force: input.force || force };
  const id = evaluate ? evaluationId(input.name) : workflowId(input.name);
  await withClient(address, async (client, server) => {
    // A finished run stays finished when the retention of Temporal ends.
    const dropped = await findDroppedRun(client, defaultHome(), id);
    if (dropped !== undefined) return console.log([formatStart.finished(id), ...formatListedRun(dropped)].join('\n'));
    const pinnedTo = pinned ? await requireCurrentVersion(client) : undefined;
    const { handle, how } = await startRun(client, request, { evaluate, pinnedTo });
    if (how !== 'started') {
      const changed = await findChangedSettings(client, id, parseRunInput, input);
      if (changed !== undefined) throw new Error(formatChanged[how](evaluate ? id : input.name, changed));
    }
    const started = formatStart[how](id);
    const follows = wait && how !== 'finished';
    console.log(follows ? `${started} Ctrl-C ends only this view; the run continues.` : started);
    const name = evaluate ? id : input.name;
    const hints = formatRunHints({ name, workflowId: id, canPause: !evaluate }, server).join('\n');
    if (how !== 'finished') console.log(hints);
    if (!wait) return;
    const display = createLiveDisplay(process.stdout);
    const following = followRun(handle, display.log, {
      update: (snapshot) => display.update(snapshot === null ? [] : formatRunStatus(snapshot.status, snapshot)),
      watchServer: watchServer(server),
    });
    const report = await untilInterrupted(following, () => {
      display.update([]);
      console.log(`${id} continues without this terminal.\n${hints}`);
    });
    printResult(report, {
      runId: evaluate ? evaluationRun(input.name) : input.name,
      home: defaultHome(),
      uiPage: workflowPage(server, id),
    });
  });
}

async function requireCurrentVersion(client: Client): Promise<WorkerDeploymentVersion> {
  const current = await readCurrentVersion(client);
  if (current !== undefined) return current;
  throw new Error(
    'No version of the workers is current, so the run cannot be pinned. Start it without --pinned, or give the workers a version (docs/how-to/upgrade.md).',
  );
}

const formatStart = {
  started: (id: string) => `Started ${id}.`,
  joined: (id: string) => `${id} is already running.`,
  finished: (id: string) => `${id} has already finished. To train again, choose another name.`,
} as const;

/** A run keeps the settings with which it was started, so a changed file must not look as if it had an effect. */
const formatChanged = {
  joined: (name: string, changed: string) =>
    `${name} is already running with other settings: ${changed}. The file does not change it. To train with the settings of the file, give it another name. To follow the running one: everswin status ${name}. To end it: everswin cancel ${name}.`,
  finished: (name: string, changed: string) =>
    `${name} has already finished with other settings: ${changed}. To train with the settings of the file, give it another name.`,
} as const;
