import { existsSync } from 'node:fs';
import { runFolder } from '../../../configs/paths.ts';
import { TrainerExit, TrainerOwner } from '../../../configs/schema/index.ts';
import { readJson } from '../files/json-file.ts';

/**
 * Explains a run without a report, from what its folder shows, and says what to do.
 * @returns undefined if this home has no such run.
 */
export async function explainUnfinishedRun(home: string, runId: string): Promise<string | undefined> {
  const { root, train } = runFolder(home, runId);
  if (!existsSync(root)) return undefined;
  const owner = await readJson(train.owner, TrainerOwner);
  const exit = await readJson(train.exit, TrainerExit);
  const status = `\`everswin status ${runId}\``;
  const otherwise = `Start it again with \`everswin start\` if ${status} says failed or cancelled, or name another run.`;
  if (owner === undefined && exit === undefined)
    return `run ${runId} has not trained: it failed or was cancelled before that, or is still being prepared. ${otherwise}`;
  if (exit === undefined || (owner !== undefined && owner.fence > exit.fence))
    return `run ${runId} has not finished: its training runs, or was lost with its machine. Wait until ${status} says done. ${otherwise}`;
  return `run ${runId} has not finished: its ${outcomes[exit.reason]}. ${otherwise}`;
}

const outcomes = {
  finished: 'training is complete, and its test is not',
  preempted: 'training was stopped or cancelled',
  crashed: 'training failed',
  hung: 'training hung and was ended',
} as const satisfies Record<TrainerExit['reason'], string>;
