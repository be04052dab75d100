import type { WorkflowHandle } from '@temporalio/client';
import { formatAp } from '../../activities/shared/summary/format-score.ts';
import { formatVariantState } from '../../activities/shared/summary/format-variant.ts';
import { statusQueryName } from '../../configs/names.ts';
import { SweepStatus, type SweepResult, type VariantStatus } from '../../configs/schema/index.ts';
import type { compareRecipes } from '../../workflows/index.ts';
import { waitForResult } from './wait-for-result.ts';
import type { WatchServer } from './watch-server.ts';

/** Logs every change of a sweep until it ends. Keeps polling while the server is unavailable. */
export async function followSweep(
  followed: WorkflowHandle<typeof compareRecipes>,
  log: (line: string) => void,
  watchServer: WatchServer,
): Promise<SweepResult> {
  let logged: string[] = [];
  const poll = async (handle: WorkflowHandle<typeof compareRecipes>) => {
    const status = await querySweep(handle);
    if (status === undefined) return false;
    const lines = status.variants.map(formatVariant);
    for (const [place, line] of lines.entries()) if (logged[place] !== line) log(line);
    logged = lines;
    return true;
  };
  return waitForResult(followed, { poll, log, watchServer });
}

/** Returns undefined while the server or the control worker is unavailable, and for any other workflow. */
export async function querySweep(handle: WorkflowHandle): Promise<SweepStatus | undefined> {
  try {
    return SweepStatus.parse(await handle.query(statusQueryName));
  } catch {
    return undefined;
  }
}

/** Formats the status of a sweep, one line per variant. */
export const formatSweepStatus = ({ name, stage, variants, verdict, report }: SweepStatus): string[] => [
  `${name}  ${stage}`,
  ...variants.map((one) => `  ${formatVariant(one)}`),
  ...verdict.map((sentence) => `  ${sentence}`),
  ...(report === null ? [] : [`  ${report}`]),
];

function formatVariant(status: VariantStatus): string {
  const { variant, scores, result } = status;
  const newest = scores.at(-1);
  const validated = newest === undefined ? '' : `epoch ${newest.epoch} box AP ${formatAp(newest.bboxAP)}  `;
  const tested = result === null ? '' : `tested: box AP ${formatAp(result.bboxAP)}  `;
  return `${variant.padEnd(16)}  ${validated}${tested}${formatVariantState(status)}`;
}
