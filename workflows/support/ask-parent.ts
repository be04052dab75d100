import { getExternalWorkflowHandle, workflowInfo } from '@temporalio/workflow';
import { questionSignalName } from '../../configs/names.ts';
import type { RunQuestion } from '../../configs/schema/index.ts';

/** Shows a question of this run in the sweep or retraining that started it. A parent that has ended is ignored. */
export async function askParent(question: RunQuestion): Promise<void> {
  const { parent } = workflowInfo();
  if (parent === undefined) return;
  try {
    await getExternalWorkflowHandle(parent.workflowId).signal(questionSignalName, question);
  } catch {
    // The run asks by itself too: status, notification and UI.
  }
}
