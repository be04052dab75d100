import type { WorkflowHandle } from '@temporalio/client';
import { formatVariantScore, formatVariantState } from '../../activities/shared/summary/format-variant.ts';
import { statusQueryName } from '../../configs/names.ts';
import { SweepStatus, type SweepResult, type VariantStatus } from '../../configs/schema/index.ts';
import type { compareRecipes } from '../../workflows/index.ts';
import { waitForResult } from './wait-for-result.ts';

/** Says each change of a sweep until it has ended, and outlives a server that is away for a while. */
export async function followSweep(
  handle: WorkflowHandle<typeof compareRecipes>,
  say: (line: string) => void,
): Promise<SweepResult> {
  let said: string[] = [];
  return waitForResult(handle, async () => {
    const lines = (await querySweep(handle))?.variants.map(formatVariant) ?? said;
    for (const [place, line] of lines.entries()) if (said[place] !== line) say(line);
    said = lines;
  });
}

/** Undefined while nobody answers, and for what is no sweep. */
export async function querySweep(handle: WorkflowHandle): Promise<SweepStatus | undefined> {
  try {
    return SweepStatus.parse(await handle.query(statusQueryName));
  } catch {
    return undefined;
  }
}

/** How a sweep stands, for a terminal: a line for each variant. Pure. */
export const formatSweepStatus = ({ name, stage, variants, verdict, report }: SweepStatus): string[] => [
  `${name}  ${stage}`,
  ...variants.map((one) => `  ${formatVariant(one)}`),
  ...verdict.map((sentence) => `  ${sentence}`),
  ...(report === null ? [] : [`  ${report}`]),
];

function formatVariant(status: VariantStatus): string {
  const { variant, scores, result } = status;
  const newest = scores.at(-1);
  const validated = newest === undefined ? '' : `epoch ${newest.epoch} box AP ${formatVariantScore(newest.bboxAP)}  `;
  const tested = result === null ? '' : `tested: box AP ${formatVariantScore(result.bboxAP)}  `;
  return `${variant.padEnd(16)}  ${validated}${tested}${formatVariantState(status)}`;
}
