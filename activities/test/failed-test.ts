import type { RunFolder } from '../../configs/paths.ts';
import type { Failure, TestFailure } from '../../configs/schema/index.ts';
import { CodedError } from '../shared/errors/coded-error.ts';
import { storageCode } from '../shared/errors/failure-catalogue.ts';
import { readLogTail } from '../shared/files/log-tail.ts';
import { toFailure } from '../shared/temporal/failure.ts';
import { SupervisorStartError } from '../shared/trainer/start-job.ts';
import type { JobOutcome, PythonCommand, RunningJob } from '../shared/trainer/trainer-process.ts';
import { classifyFailedStart } from '../train/failures/classify-failure.ts';
import { explainFailure } from '../train/failures/explain-failure.ts';
import type { TestTarget } from './test-target.ts';

interface FailedTest {
  folder: RunFolder;
  target: TestTarget;
  python: PythonCommand;
  running: RunningJob;
  outcome: JobOutcome;
  /** Images that were tested. */
  images: number;
}

/** Explains a test that ended without metrics, by its log. */
export async function explainFailedTest({ folder, target, python, running, outcome, images }: FailedTest) {
  const { test: job } = folder;
  const { cause, failure } = await explainFailure(job, { job, owner: running.owner, outcome, others: [] }, python);
  const what = `The test of ${target.file} ended without metrics. ${cause}`;
  const reason = 'exit' in outcome && outcome.exit.reason !== 'finished' ? outcome.exit.reason : 'crashed';
  return buildTestFailure(what, failure, await readLogTail(job, tailLines), { outcome: reason, images });
}

/** Explains a test whose supervisor ended before it started. Returns other errors unchanged. */
export function explainFailedStart(error: unknown): unknown {
  if (!(error instanceof SupervisorStartError)) return error;
  const [what = ''] = error.message.split('\n', 1);
  return buildTestFailure(what, classifyFailedStart(error, error.lines), error.lines, {
    outcome: 'crashed',
    images: 0,
  });
}

const tailLines = 20;

/** The workflow decides by code and details whether the test is repeated. */
function buildTestFailure(what: string, failure: Failure, log: string[], details: TestFailure): Error {
  const { class: name, meaning, nextStep, evidence } = failure;
  const code = storageCode(failure.reaction);
  const cause = [what, `${name}: ${meaning} ${nextStep}`, `Evidence: ${evidence}`];
  // The evidence names what to repair; a notice has no room for the log.
  const message = (code === undefined ? [...cause, ...log] : cause).join('\n');
  return toFailure(new CodedError(code ?? 'TrainerCommandFailed', message), details);
}
