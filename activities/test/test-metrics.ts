import type { RunFolder } from '../../configs/paths.ts';
import { EvalMetrics } from '../../configs/schema/index.ts';
import { readJson } from '../shared/files/json-file.ts';
import type { JobOutcome } from '../shared/trainer/trainer-process.ts';
import type { TestTarget } from './test-target.ts';

/** Reads the metrics that a test job left; undefined if it ended without metrics of this target. */
export async function readTestMetrics(
  folder: RunFolder,
  target: TestTarget,
  outcome: JobOutcome,
): Promise<EvalMetrics | undefined> {
  const metrics = await readJson(folder.metrics, EvalMetrics);
  const hasFinished = 'exit' in outcome && outcome.exit.reason === 'finished';
  return hasFinished && metrics?.checkpointSha256 === target.sha256 ? metrics : undefined;
}
