import { setTimeout as sleep } from 'node:timers/promises';
import type { Workflow, WorkflowHandle } from '@temporalio/client';
import { findRunningStack } from '../stack/stack-file.ts';
import { defaultHome } from '../stack/stack-options.ts';
import { connect } from '../../workers/connect.ts';
import { isListening, type FoundServer } from './find-server.ts';

const probeMs = 1_000;
/** One failed probe may be a busy network. */
const failedProbes = 2;

interface ServerWatch<T extends Workflow> {
  handle: WorkflowHandle<T>;
  log: (line: string) => void;
  signal: AbortSignal;
  /** Receives the workflow at the address at which the stack started again. */
  onMoved: (handle: WorkflowHandle<T>) => void;
}

/** Says while a server is gone, and follows it to its next address, until the signal. */
export type WatchServer = <T extends Workflow>(watch: ServerWatch<T>) => Promise<void>;

/**
 * Creates a watch over the server of a command. The stack of a home may start again on another port; any other server
 * keeps its address. A probe is needed because the Temporal client hides an outage for half a minute of retries.
 */
export function watchServer(server: FoundServer, home = defaultHome()): WatchServer {
  const { address, source } = server;
  return async ({ handle, log, signal, onMoved }) => {
    let connected = address;
    for (let failures = 0; !signal.aborted; await sleep(probeMs, undefined, { signal }).catch(() => undefined)) {
      const now = source === 'stack' ? ((await findRunningStack(home))?.address ?? connected) : address;
      if (!(await isListening(now))) {
        failures += 1;
        if (failures === failedProbes) log(`No Temporal server responds at ${now}. ${remedies[source]}`);
        continue;
      }
      if (now !== connected) {
        const next = await connect({ ...server, address: now }).catch(() => undefined);
        if (next === undefined) continue;
        connected = now;
        onMoved(next.workflow.getHandle(handle.workflowId));
        failures = failedProbes;
      }
      if (failures >= failedProbes) log(`Connected again: Temporal at ${now}.`);
      failures = 0;
    }
  };
}

const remedies: Record<FoundServer['source'], string> = {
  stack: 'This view waits for the stack of this folder: everswin up. What is running continues.',
  '--address': 'This view waits until it does. Check --address.',
  TEMPORAL_ADDRESS: 'This view waits until it does. Check TEMPORAL_ADDRESS.',
  'temporal.toml': 'This view waits until it does. Check the address in temporal.toml.',
};
