import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import { statusQueryName, workflowId } from '../configs/names.ts';
import { RetrainStatus } from '../configs/schema.ts';
import type { retrainDetector } from '../workflows/index.ts';

const pollMs = 1_000;

/** Says each change of a retraining until it has ended. @returns its last status. */
export async function followRetraining(
  handle: WorkflowHandle<typeof retrainDetector>,
  say: (line: string) => void,
): Promise<RetrainStatus> {
  const ended = new AbortController();
  const result = handle.result().finally(() => ended.abort());
  result.catch(() => undefined);
  let before: RetrainStatus | undefined;
  while (!ended.signal.aborted) {
    const now = await look(handle);
    if (now !== undefined) for (const line of describe(before, now)) say(line);
    before = now ?? before;
    await sleep(pollMs, undefined, { signal: ended.signal }).catch(() => undefined);
  }
  const last = await result;
  for (const line of describe(before, last)) say(line);
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
      ...(trains ? [`training ${workflowId(`${model}-${fingerprint.sha256.slice(0, 12)}`)}`] : []),
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
