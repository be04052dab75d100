import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import { readStartedInput } from '../../activities/shared/temporal/started-input.ts';
import { listDifferences } from '../../configs/input-differences.ts';
import type { Parsed } from '../../configs/parse-input.ts';

/**
 * Compares the settings of an existing workflow with those of a file.
 * @param parse parses the input, so that defaults do not count as differences.
 * @returns `epochs 10 instead of 12, gpus 1 instead of 4`, or undefined if they are equal or cannot be compared.
 */
export async function findChangedSettings<T extends object>(
  client: Client,
  workflowId: string,
  parse: (raw: unknown) => Parsed<T>,
  wanted: T,
): Promise<string | undefined> {
  const started = parse(await readStartedInput(client, workflowId));
  const differences = started.ok ? listDifferences(started.input, wanted) : [];
  return differences.length === 0 ? undefined : differences.join(', ');
}

/** Returns whether a workflow is running. */
export async function isRunning(client: Client, workflowId: string): Promise<boolean> {
  try {
    const { status } = await client.workflow.getHandle(workflowId).describe();
    return status.name === 'RUNNING';
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false;
    throw error;
  }
}
