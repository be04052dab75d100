import { setTimeout as sleep } from 'node:timers/promises';
import { WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import { describeScore, describeState } from '../configs/describe-variant.ts';
import { statusQueryName } from '../configs/names.ts';
import { SweepStatus, type SweepResult, type VariantStatus } from '../configs/schema.ts';
import type { compareRecipes } from '../workflows/index.ts';

const pollMs = 1_000;

/** Says each change of a sweep until it has ended, and outlives a server that is away for a while. */
export async function followSweep(
  handle: WorkflowHandle<typeof compareRecipes>,
  say: (line: string) => void,
): Promise<SweepResult> {
  const ended = new AbortController();
  const result = untilResult(handle).finally(() => ended.abort());
  result.catch(() => undefined);
  let said: string[] = [];
  const look = async () => {
    const lines = (await lookAtSweep(handle))?.variants.map(describeVariant) ?? said;
    for (const [place, line] of lines.entries()) if (said[place] !== line) say(line);
    said = lines;
  };
  while (!ended.signal.aborted) {
    await look();
    await sleep(pollMs, undefined, { signal: ended.signal }).catch(() => undefined);
  }
  await look();
  return result;
}

/** Undefined while nobody answers, and for what is no sweep. */
export async function lookAtSweep(handle: WorkflowHandle): Promise<SweepStatus | undefined> {
  try {
    return SweepStatus.parse(await handle.query(statusQueryName));
  } catch {
    return undefined;
  }
}

/** How a sweep stands, for a terminal: a line for each variant. Pure. */
export const renderSweepStatus = ({ name, stage, variants, verdict, report }: SweepStatus): string[] => [
  `${name}  ${stage}`,
  ...variants.map((one) => `  ${describeVariant(one)}`),
  ...verdict.map((sentence) => `  ${sentence}`),
  ...(report === null ? [] : [`  ${report}`]),
];

function describeVariant(status: VariantStatus): string {
  const { variant, scores, result } = status;
  const newest = scores.at(-1);
  const validated = newest === undefined ? '' : `epoch ${newest.epoch} box AP ${describeScore(newest.bboxAP)}  `;
  const tested = result === null ? '' : `tested: box AP ${describeScore(result.bboxAP)}  `;
  return `${variant.padEnd(16)}  ${validated}${tested}${describeState(status)}`;
}

async function untilResult(handle: WorkflowHandle<typeof compareRecipes>): Promise<SweepResult> {
  for (;;) {
    try {
      return await handle.result();
    } catch (error) {
      if (error instanceof WorkflowFailedError) throw error;
      await sleep(pollMs);
    }
  }
}
