import { setTimeout as sleep } from 'node:timers/promises';
import type { ConnectionLike } from '@temporalio/client';
import { msToTs, tsToMs } from '@temporalio/common/lib/time.js';
import { namespace as defaultNamespace, searchAttributes, taskQueues } from '../configs/names.ts';
import type { Check } from '../configs/schema/index.ts';
import { findGrpcStatus, grpcCodes } from './connection-error.ts';
import type { TemporalServer } from './temporal-server.ts';

interface NamespaceClient {
  connection: Pick<ConnectionLike, 'workflowService' | 'operatorService'>;
  namespace: string;
}

type AttributeName = keyof typeof searchAttributes;

const attributeNames = Object.keys(searchAttributes) as AttributeName[]; // the keys of a constant

/** Search attributes that a workflow could not set. */
interface AttributeProblems {
  missing: AttributeName[];
  /** Registered with another type: `Epoch (Keyword instead of Int)`. */
  conflicts: string[];
}

/** IndexedValueType of Temporal's API. */
const valueTypes = { Text: 1, Keyword: 2, Int: 3, Double: 4 } as const;
const dayMs = 24 * 3600 * 1000;
/** Below it, `prepareNamespace` warns: a run takes days. */
const shortRetentionDays = 30;
/** Larger servers use a new search attribute after a refresh of their caches. */
const refreshMs = 60_000;
/** A server that does not permit the call, or does not have it, such as Temporal Cloud. */
const deniedCodes: readonly number[] = [grpcCodes.permissionDenied, grpcCodes.unauthenticated, grpcCodes.unimplemented];

const isDenied = (error: unknown): boolean => deniedCodes.includes(findGrpcStatus(error)?.code ?? -1);

/**
 * Checks what every workflow of everswin needs. Without it, its first workflow task fails again and again.
 * @throws Error with the command that prepares the namespace.
 */
export async function requirePreparedNamespace(
  connection: NamespaceClient['connection'],
  { address, namespace }: TemporalServer,
): Promise<void> {
  const { missing, conflicts } = await findAttributeProblems({ connection, namespace });
  if (missing.length + conflicts.length === 0) return;
  const problem = [
    ...(missing.length > 0 ? [`lacks the search attributes ${missing.join(', ')}`] : []),
    ...(conflicts.length > 0 ? [`has search attributes of other types: ${conflicts.join(', ')}`] : []),
  ].join(' and ');
  const variable = namespace === defaultNamespace ? '' : `TEMPORAL_NAMESPACE=${namespace} `;
  throw new Error(
    `The namespace ${namespace} at ${address} ${problem}. Prepare it: ${variable}everswin namespace prepare --address ${address}`,
  );
}

/**
 * Registers the search attributes that a namespace lacks, raises its retention, and checks the permissions of this
 * client. Idempotent.
 * @param retentionDays days for which finished workflows are kept at least; undefined leaves the retention as it is.
 */
export async function prepareNamespace(
  client: NamespaceClient,
  { retentionDays }: { retentionDays?: number | undefined },
): Promise<Check[]> {
  return [
    await prepareAttributes(client),
    await prepareRetention(client, retentionDays),
    await checkPermissions(client),
  ];
}

async function prepareAttributes(client: NamespaceClient): Promise<Check> {
  const name = 'search attributes';
  const { missing, conflicts } = await findAttributeProblems(client);
  if (conflicts.length > 0) {
    const remedy = 'Another program has registered these names. Use another namespace: TEMPORAL_NAMESPACE.';
    return { name, verdict: 'error', message: conflicts.join(', '), remedy };
  }
  if (missing.length === 0) return { name, verdict: 'ok', message: attributeNames.join(', '), remedy: null };
  try {
    await addAttributes(client, missing);
    return { name, verdict: 'ok', message: `added ${missing.join(', ')}`, remedy: null };
  } catch (error) {
    const left = await findAttributeProblems(client);
    if (left.missing.length === 0) return prepareAttributes(client); // another call was faster
    const list = missing.map((attribute) => `--name ${attribute} --type ${searchAttributes[attribute]}`).join(' ');
    const remedy = isDenied(error)
      ? `Ask an administrator: temporal operator search-attribute create --namespace ${client.namespace} ${list}`
      : 'A SQL database holds three Double attributes per namespace. Remove unused ones, or use another namespace.';
    return { name, verdict: 'error', message: `cannot add ${missing.join(', ')}: ${reasonOf(error)}`, remedy };
  }
}

async function addAttributes(client: NamespaceClient, missing: AttributeName[]): Promise<void> {
  const { connection, namespace } = client;
  await connection.operatorService.addSearchAttributes({
    namespace,
    searchAttributes: Object.fromEntries(missing.map((name) => [name, valueTypes[searchAttributes[name]]])),
  });
  const deadline = performance.now() + refreshMs;
  while ((await findAttributeProblems(client)).missing.length > 0) {
    if (performance.now() > deadline) throw new Error('the server does not list them after a minute; try again later');
    await sleep(500);
  }
}

async function findAttributeProblems(client: NamespaceClient): Promise<AttributeProblems> {
  const { connection, namespace } = client;
  let registered: Record<string, number>;
  try {
    registered = (await connection.operatorService.listSearchAttributes({ namespace })).customAttributes;
  } catch (error) {
    if (!isDenied(error)) throw error;
    return { missing: await findMissingByQueries(client), conflicts: [] };
  }
  const nameOf = (type: number) =>
    Object.entries(valueTypes).find(([, value]) => value === type)?.[0] ?? `type ${type}`;
  return {
    missing: attributeNames.filter((name) => !(name in registered)),
    conflicts: attributeNames.flatMap((name) => {
      const [type, expected] = [registered[name], searchAttributes[name]];
      return type === undefined || type === valueTypes[expected]
        ? []
        : [`${name} (${nameOf(type)} instead of ${expected})`];
    }),
  };
}

/** Finds the attributes that a query cannot name, for clients that may not list them. */
async function findMissingByQueries({ connection, namespace }: NamespaceClient): Promise<AttributeName[]> {
  const missing = attributeNames.map(async (name) => {
    try {
      await connection.workflowService.countWorkflowExecutions({ namespace, query: `${name} IS NOT NULL` });
      return [];
    } catch (error) {
      if (isDenied(error)) return []; // unknown
      if (findGrpcStatus(error)?.code === grpcCodes.invalidArgument) return [name];
      throw error;
    }
  });
  return (await Promise.all(missing)).flat();
}

async function prepareRetention(
  { connection, namespace }: NamespaceClient,
  wanted: number | undefined,
): Promise<Check> {
  const name = 'retention';
  const { config } = await connection.workflowService.describeNamespace({ namespace });
  const ttl = config?.workflowExecutionRetentionTtl;
  const days = ttl == null ? 0 : tsToMs(ttl) / dayMs;
  const message = `${Math.floor(days)} days`;
  if (wanted === undefined || days >= wanted) {
    if (days >= shortRetentionDays || wanted !== undefined) return { name, verdict: 'ok', message, remedy: null };
    const remedy = 'Finished runs leave Temporal after it; their folders stay. To keep them: --retention 365';
    return { name, verdict: 'warning', message, remedy };
  }
  try {
    const workflowExecutionRetentionTtl = msToTs(wanted * dayMs);
    await connection.workflowService.updateNamespace({ namespace, config: { workflowExecutionRetentionTtl } });
    return { name, verdict: 'ok', message: `${wanted} days instead of ${message}`, remedy: null };
  } catch (error) {
    const remedy = isDenied(error)
      ? `Ask an administrator: temporal operator namespace update --namespace ${namespace} --retention ${wanted}d`
      : 'Choose another number of days.';
    return { name, verdict: 'warning', message: `${message}, cannot change it: ${reasonOf(error)}`, remedy };
  }
}

/** Calls that workers and commands need, and that change nothing. */
async function checkPermissions({ connection, namespace }: NamespaceClient): Promise<Check> {
  const { workflowService } = connection;
  const calls = {
    'list workflows': workflowService.listWorkflowExecutions({ namespace, pageSize: 1 }),
    'list schedules': workflowService.listSchedules({ namespace, maximumPageSize: 1 }),
    'describe task queues': workflowService.describeTaskQueue({ namespace, taskQueue: { name: taskQueues.control } }),
  };
  const denied = await Promise.all(
    Object.entries(calls).map(async ([call, answer]) =>
      answer.then(
        () => [],
        (error: unknown) => [`${call} (${reasonOf(error)})`],
      ),
    ),
  );
  const name = 'permissions';
  if (denied.flat().length === 0) return { name, verdict: 'ok', message: Object.keys(calls).join(', '), remedy: null };
  const remedy = `Ask an administrator for the role of a writer in the namespace ${namespace}.`;
  return { name, verdict: 'error', message: `not permitted: ${denied.flat().join(', ')}`, remedy };
}

const reasonOf = (error: unknown): string =>
  findGrpcStatus(error)?.details ?? (error instanceof Error ? error.message : String(error));

/** Creates a namespace. An existing one is not an error. */
export async function createNamespace(
  { connection, namespace }: NamespaceClient,
  retentionDays: number,
): Promise<void> {
  const workflowExecutionRetentionPeriod = msToTs(retentionDays * dayMs);
  try {
    await connection.workflowService.registerNamespace({ namespace, workflowExecutionRetentionPeriod });
  } catch (error) {
    if (findGrpcStatus(error)?.code === grpcCodes.alreadyExists) return;
    throw new Error(
      `Cannot create the namespace ${namespace}: ${reasonOf(error)}. Ask an administrator: temporal operator namespace create --namespace ${namespace} --retention ${retentionDays}d`,
      { cause: error },
    );
  }
}
