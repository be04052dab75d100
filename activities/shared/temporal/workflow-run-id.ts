import { Context } from '@temporalio/activity';

/** Returns the id of the workflow run that scheduled this activity. */
export const workflowRunId = (): string => Context.current().info.workflowExecution?.runId ?? '';
