import type { Client } from '@temporalio/client';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';

/** Creates an activity environment without a server. Signals to the workflow are lost unless `client` handles them. */
export const mockEnvironment = (client?: Client) =>
  new MockActivityEnvironment({ activityId: '1' }, { logger: new DefaultLogger('ERROR'), ...(client && { client }) });

/** Creates a client for a stubbed workflow that answers queries and receives signals. */
export const clientOf = (workflow: {
  query: () => unknown;
  signal: (name: string, details: unknown) => void;
}): Client => {
  const handle = {
    query: () => Promise.resolve().then(workflow.query),
    signal: (name: string, details: unknown) => Promise.resolve(workflow.signal(name, details)),
  };
  const within = <T>(_limit: unknown, call: () => Promise<T>) => call();
  const client = { workflow: { getHandle: () => handle }, withAbortSignal: within, withDeadline: within };
  return client as unknown as Client; // activities use no other part of it
};
