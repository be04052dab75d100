import type { WorkflowHandle } from '@temporalio/client';
import { candidateRun, statusQueryName, workflowId } from '../../configs/names.ts';
import { RetrainStatus, type RetrainDecision, type RetrainOutcome } from '../../configs/schema/index.ts';
import type { retrainDetector } from '../../workflows/index.ts';
import { waitForResult } from './wait-for-result.ts';
import type { WatchServer } from './watch-server.ts';

/**
 * Logs every change of a retraining until it ends. Keeps polling while the server is unavailable.
 * @returns the last status.
 */
export async function followRetraining(
  followed: WorkflowHandle<typeof retrainDetector>,
  log: (line: string) => void,
  watchServer: WatchServer,
): Promise<RetrainStatus> {
  let before: RetrainStatus | undefined;
  const logChange = (now: RetrainStatus) => {
    for (const line of formatChange(before, now)) log(line);
    before = now;
  };
  const poll = async (handle: WorkflowHandle<typeof retrainDetector>) => {
    const now = await queryRetraining(handle);
    if (now !== undefined) logChange(now);
    return now !== undefined;
  };
  const last = await waitForResult(followed, { poll, log, watchServer });
  logChange(last);
  return last;
}

/** Returns undefined while the server or the control worker is unavailable, and for any other workflow. */
export const queryRetraining = async (
  handle: WorkflowHandle<typeof retrainDetector>,
): Promise<RetrainStatus | undefined> =>
  RetrainStatus.safeParse(await handle.query(statusQueryName).catch(() => undefined)).data;

/** Formats the status of a retraining, one line per item. */
export function formatRetrainStatus({
  model,
  stage,
  champion,
  awaitingApproval,
  question,
  notice,
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
    ...(question == null ? [] : [line('waiting', question)]),
    ...(notice == null ? [] : [line('notice', notice)]),
    ...(awaitingApproval === null ? [] : [line('approval', formatApprovalRequest(awaitingApproval, model))]),
    ...(waiting.length === 0 ? [] : [line('waiting', waiting.map(({ who }) => who).join(', '))]),
    ...(page === null ? [] : [line('page', page)]),
  ];
}

const formatDecision = ({ triggers, why }: RetrainDecision): string =>
  `${triggers.map(({ who }) => who).join(', ') || 'no trigger'}: ${why}`;

const formatOutcome = ({ runId, outcome, why }: RetrainOutcome): string => `${runId}: ${outcome}, ${why}`;

const formatApprovalRequest = (candidate: string, model: string): string =>
  `${candidate} waits for approval: everswin models approve ${model} --why TEXT (or reject)`;

function formatChange(before: RetrainStatus | undefined, now: RetrainStatus): string[] {
  const { decisions, outcomes, stage, model, awaitingApproval, question, notice } = now;
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
    ...(awaitingApproval !== null && before?.awaitingApproval !== awaitingApproval
      ? [formatApprovalRequest(awaitingApproval, model)]
      : []),
    ...(question != null && before?.question !== question ? [question] : []),
    ...(notice != null && before?.notice !== notice ? [notice] : []),
    ...concluded,
  ];
}
