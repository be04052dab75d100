import type { WorkflowHandle } from '@temporalio/client';
import { candidateRun, statusQueryName, workflowId } from '../configs/names.ts';
import { RetrainStatus } from '../configs/schema.ts';
import type { retrainDetector } from '../workflows/index.ts';
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
    const now = await look(handle);
    if (now !== undefined) tell(now);
  });
  tell(last);
  return last;
}

/** Undefined while nobody answers. */
const look = async (handle: WorkflowHandle<typeof retrainDetector>): Promise<RetrainStatus | undefined> =>
  RetrainStatus.safeParse(await handle.query(statusQueryName).catch(() => undefined)).data;

function describe(before: RetrainStatus | undefined, now: RetrainStatus): string[] {
  const { decisions, outcomes, stage, model, asked } = now;
  const decided = decisions
    .slice(before?.decisions.length ?? 0)
    .flatMap(({ triggers, why, trains, fingerprint }) => [
      `${triggers.map(({ who }) => who).join(', ') || 'nobody'}: ${why}`,
      ...(trains ? [`training ${workflowId(candidateRun(model, fingerprint.sha256))}`] : []),
    ]);
  const concluded = outcomes
    .slice(before?.outcomes.length ?? 0)
    .map(({ runId, outcome, why }) => `${runId}: ${outcome}, ${why}`);
  const isAsked = asked !== null && before?.asked !== asked;
  return [
    ...(before?.stage === stage ? [] : [stage]),
    ...decided,
    ...(isAsked
      ? [`${asked} waits: temporal workflow update execute --workflow-id retrain:${model} --name approve`]
      : []),
    ...concluded,
  ];
}
