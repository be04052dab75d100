import type { WorkflowHandle } from '@temporalio/client';
import { candidateRun, retrainId, statusQueryName, workflowId } from '../../configs/names.ts';
import { RetrainStatus, type RetrainDecision, type RetrainOutcome } from '../../configs/schema/index.ts';
import type { retrainDetector } from '../../workflows/index.ts';
import { waitForResult } from './wait-for-result.ts';

/** Says each change of a retraining until it has ended, and outlives a server that is away for a while. @returns its last status. */
export async function followRetraining(
  handle: WorkflowHandle<typeof retrainDetector>,
  say: (line: string) => void,
): Promise<RetrainStatus> {
  let before: RetrainStatus | undefined;
  const tell = (now: RetrainStatus) => {
    for (const line of formatChange(before, now)) say(line);
    before = now;
  };
  const last = await waitForResult(handle, async () => {
    const now = await queryRetraining(handle);
    if (now !== undefined) tell(now);
  });
  tell(last);
  return last;
}

/** Undefined while nobody answers. */
export const queryRetraining = async (
  handle: WorkflowHandle<typeof retrainDetector>,
): Promise<RetrainStatus | undefined> =>
  RetrainStatus.safeParse(await handle.query(statusQueryName).catch(() => undefined)).data;

/** How it stands, for a terminal. Pure. */
export function formatRetrainStatus({
  model,
  stage,
  champion,
  awaitingApproval: asked,
  pendingTriggers: waiting,
  decisions,
  outcomes,
  page,
}: RetrainStatus): string[] {
  const line = (name: string, text: string) => `  ${name.padEnd(11)}${text}`;
  return [
    `${model}  ${stage}`,
    line('champion', champion ?? 'none yet'),
    ...decisions.slice(-3).map((decision) => line('decision', formatDecision(decision))),
    ...outcomes.slice(-3).map((outcome) => line('candidate', formatOutcome(outcome))),
    ...(asked === null ? [] : [line('asked', formatApprovalRequest(asked, model))]),
    ...(waiting.length === 0 ? [] : [line('waiting', waiting.map(({ who }) => who).join(', '))]),
    ...(page === null ? [] : [line('page', page)]),
  ];
}

const formatDecision = ({ triggers, why }: RetrainDecision): string =>
  `${triggers.map(({ who }) => who).join(', ') || 'nobody'}: ${why}`;

const formatOutcome = ({ runId, outcome, why }: RetrainOutcome): string => `${runId}: ${outcome}, ${why}`;

const formatApprovalRequest = (asked: string, model: string): string =>
  `${asked} waits: temporal workflow update execute --workflow-id ${retrainId(model)} --name approve`;

function formatChange(before: RetrainStatus | undefined, now: RetrainStatus): string[] {
  const { decisions, outcomes, stage, model, awaitingApproval: asked } = now;
  const decided = decisions
    .slice(before?.decisions.length ?? 0)
    .flatMap((decision) => [
      formatDecision(decision),
      ...(decision.trains ? [`training ${workflowId(candidateRun(model, decision.fingerprint.sha256))}`] : []),
    ]);
  const concluded = outcomes.slice(before?.outcomes.length ?? 0).map(formatOutcome);
  return [
    ...(before?.stage === stage ? [] : [stage]),
    ...decided,
    ...(asked !== null && before?.awaitingApproval !== asked ? [formatApprovalRequest(asked, model)] : []),
    ...concluded,
  ];
}
