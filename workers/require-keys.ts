import type { Client } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { readStartedInput } from '../activities/shared/temporal/started-input.ts';
import type { ErrorCode } from '../configs/errors.ts';
import { ownWorkflows } from '../configs/names.ts';

/** More than one, because a run may have been started with the key of another deployment. */
const triedRuns = 5;
const answerMs = 15_000;
const unreadable: ErrorCode = 'PayloadUnreadable';

/**
 * Checks that this process can read the newest runs of its deployment. Without their key, a worker would fail each activity
 * that it gets, and a command would send input that anyone can read.
 * @throws Error that names the missing key.
 */
export async function requireKeys(client: Client): Promise<void> {
  const failed = await client.withDeadline(Date.now() + answerMs, () => findUnreadable(client)).catch(() => undefined);
  if (failed === undefined) return;
  const { id, reason } = failed;
  throw new Error(`The runs of this deployment are encrypted, and this process cannot read ${id}. ${reason}`);
}

/** Returns the newest run if neither it nor the next ones can be read. Other errors show later, where they matter. */
async function findUnreadable(client: Client): Promise<{ id: string; reason: string } | undefined> {
  let failed: { id: string; reason: string } | undefined;
  let tried = 0;
  for await (const { workflowId: id } of client.workflow.list({ query: ownWorkflows, pageSize: triedRuns })) {
    try {
      await readStartedInput(client, id);
      return undefined;
    } catch (error) {
      if (!(error instanceof ApplicationFailure) || error.type !== unreadable) throw error;
      failed ??= { id, reason: error.message };
    }
    tried += 1;
    if (tried === triedRuns) break;
  }
  return failed;
}
