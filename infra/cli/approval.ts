import { userInfo } from 'node:os';
import { approvalUpdateNames, retrainId } from '../../configs/names.ts';
import { RetrainStatus } from '../../configs/schema/index.ts';
import { findWorkflow, formatEnd } from '../client/find-workflow.ts';
import { addressArgument } from '../client/run-hints.ts';
import { queryStatus, sendUpdate } from '../client/send-update.ts';
import { withClient } from '../client/with-client.ts';

interface ApprovalOptions {
  address?: string | undefined;
  why: string;
  who?: string | undefined;
}

/** Approves or rejects the candidate of a model that waits for approval. */
export async function decide(
  action: keyof typeof approvalUpdateNames,
  model: string,
  options: ApprovalOptions,
): Promise<void> {
  const { address, why, who = userInfo().username } = options;
  await withClient(address, async (client, server) => {
    const workflow = await findWorkflow(client, retrainId(model));
    if (workflow.description.status.name !== 'RUNNING')
      throw new Error(`No candidate of ${model} waits for approval. ${formatEnd(workflow)}`);
    const { awaitingApproval: candidate, stage } = RetrainStatus.parse(await queryStatus(client, workflow));
    const status = `everswin status ${workflow.name}${addressArgument(server)}`;
    if (candidate === null)
      throw new Error(`No candidate of ${model} waits for approval: its retraining is ${stage}. Status: ${status}`);
    const { result } = await sendUpdate(client, workflow, {
      update: approvalUpdateNames[action],
      args: [{ who, why }],
    });
    await result();
    const outcome =
      action === 'approve'
        ? `Approved ${candidate}; it becomes the champion of ${model}.`
        : `Rejected ${candidate}; the champion of ${model} stays.`;
    console.log(`${outcome} Status: ${status}`);
  });
}
