import type { RunFolder } from '../../configs/paths.ts';
import { EvalMetrics } from '../../configs/schema/index.ts';
import { CodedError } from '../shared/errors/coded-error.ts';
import { readJson } from '../shared/files/json-file.ts';
import { readLogTail } from '../shared/files/log-tail.ts';
import type { JobOutcome } from '../shared/trainer/trainer-process.ts';
import { formatCrash } from '../train/failures/format-crash.ts';
import type { TestTarget } from './test-target.ts';

/**
 * Reads the metrics that a test job left.
 * @throws CodedError TrainerCommandFailed when the job ended without metrics of this target.
 */
export async function readTestMetrics(
  folder: RunFolder,
  target: TestTarget,
  outcome: JobOutcome,
): Promise<EvalMetrics> {
  const metrics = await readJson(folder.metrics, EvalMetrics);
  const hasFinished = 'exit' in outcome && outcome.exit.reason === 'finished';
  if (hasFinished && metrics?.checkpointSha256 === target.sha256) return metrics;
  const how = 'exit' in outcome ? formatCrash(outcome.exit) : 'Its supervisor was killed.';
  const tail = (await readLogTail(folder.test, 20)).join('\n');
  const message = `The test of ${target.file} ended without metrics. ${how} Log: ${folder.test.log}\n${tail}`;
  throw new CodedError('TrainerCommandFailed', message);
}
