import type { WorkflowHandle } from '@temporalio/client';
import { candidateRun, retrainId, statusQueryName, workflowId } from '../../configs/names.ts';
import { RetrainStatus, type RetrainDecision, type RetrainOutcome } from '../../configs/schema/index.ts';
import type { retrainDetector } from '../../workflows/index.ts';
import { untilEnded } from './until-ended.ts';

/** Says each change of a retraining until it has ended, and outlives a server that is away for a while. @returns its last status. */
export async function followRetraining(
  handle: WorkflowHandle<typeof retrainDetector>,
  say: (line: string) => void,
): Promise<RetrainStatus> {
  let before: RetrainStatus | undefined;
  const tell = (now: RetrainStatus) => {
    for (const line of describe(before, now)) say(line);
    before = now;
  };
  const last = await untilEnded(handle, async () => {
    const now = await lookAtRetraining(handle);
    if (now !== undefined) tell(now);
  });
  tell(last);
  return last;
}

/** Undefined while nobody answers. */
export const lookAtRetraining = async (
  handle: WorkflowHandle<typeof retrainDetector>,
): Promise<RetrainStatus | undefined> =>
  RetrainStatus.safeParse(await handle.query(statusQueryName).catch(() => undefined)).data;

/** How it stands, for a terminal. Pure. */
export function renderRetrainStatus({
  model,
  stage,
  champion,
  asked,
  waiting,
  decisions,
  outcomes,
  page,
}: RetrainStatus): string[] {
  const line = (name: string, text: string) => `  ${name.padEnd(11)}${text}`;
  return [
    `${model}  ${stage}`,
    line('champion', champion ?? 'none yet'),
    ...decisions.slice(-3).map((decision) => line('decision', describeDecision(decision))),
    ...outcomes.slice(-3).map((outcome) => line('candidate', describeOutcome(outcome))),
    ...(asked === null ? [] : [line('asked', describeQuestion(asked, model))]),
    ...(waiting.length === 0 ? [] : [line('waiting', waiting.map(({ who }) => who).join(', '))]),
    ...(page === null ? [] : [line('page', page)]),
  ];
}

const describeDecision = ({ triggers, why }: RetrainDecision): string =>
  `${triggers.map(({ who }) => who).join(', ') || 'nobody'}: ${why}`;

const describeOutcome = ({ runId, outcome, why }: RetrainOutcome): string => `${runId}: ${outcome}, ${why}`;

const describeQuestion = (asked: string, model: string): string =>
  `${asked} waits: temporal workflow update execute --workflow-id ${retrainId(model)} --name approve`;

function describe(before: RetrainStatus | undefined, now: RetrainStatus): string[] {
  const { decisions, outcomes, stage, model, asked } = now;
  const decided = decisions
    .slice(before?.decisions.length ?? 0)
    .flatMap((decision) => [
      describeDecision(decision),
      ...(decision.trains ? [`training ${workflowId(candidateRun(model, decision.fingerprint.sha256))}`] : []),
    ]);
  const concluded = outcomes.slice(before?.outcomes.length ?? 0).map(describeOutcome);
  return [
    ...(before?.stage === stage ? [] : [stage]),
    ...decided,
    ...(asked !== null && before?.asked !== asked ? [describeQuestion(asked, model)] : []),
    ...concluded,
  ];
}
