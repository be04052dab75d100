import type { Client } from '@temporalio/client';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';

/** An activity's surroundings without a server: signals to the workflow go nowhere, and failures are provoked on purpose. */
export const mockEnvironment = (client?: Client) =>
  new MockActivityEnvironment({}, { logger: new DefaultLogger('ERROR'), ...(client && { client }) });

/** A client that reaches a workflow which answers and takes notes instead of a server. */
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
