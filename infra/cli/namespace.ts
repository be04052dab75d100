import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { connect, connectLazily } from '../../workers/connect.ts';
import { findGrpcStatus, grpcCodes } from '../../workers/connection-error.ts';
import { createNamespace, prepareNamespace } from '../../workers/prepare-namespace.ts';
import { findServer, formatServer, type FoundServer } from '../client/find-server.ts';
import { printChecks } from '../terminal/print-checks.ts';

interface PrepareOptions {
  address?: string | undefined;
  create?: boolean | undefined;
  retention?: number | undefined;
}

const newRetentionDays = 365;
/** A server learns of a new namespace when it refreshes its cache. */
const refreshMs = 60_000;

/** Prepares the namespace of the server for everswin, and lists what it lacks. */
export async function prepare({ address, create = false, retention }: PrepareOptions): Promise<void> {
  const server = await findServer(address);
  console.log(formatServer(server));
  const client = await connect(server).catch((error: unknown) => {
    if (!create || findGrpcStatus(error)?.code !== grpcCodes.notFound) throw error;
    return connectToNew(server, retention ?? newRetentionDays);
  });
  try {
    const namespaceClient = { connection: client.connection, namespace: server.namespace };
    const checks = await prepareNamespace(namespaceClient, { retentionDays: retention });
    printChecks(checks, 'Fix the errors before you start workers.');
  } finally {
    await client.connection.close();
  }
}

async function connectToNew(server: FoundServer, retentionDays: number): Promise<Client> {
  const { namespace } = server;
  const client = connectLazily(server);
  await createNamespace({ connection: client.connection, namespace }, retentionDays);
  console.log(`Created the namespace ${namespace}.`);
  const deadline = performance.now() + refreshMs;
  for (;;) {
    try {
      await client.workflowService.countWorkflowExecutions({ namespace });
      return client;
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await sleep(500);
    }
  }
}
