import type { JobFolder, RunFolder } from '../../../configs/paths.ts';
import type { Failure } from '../../../configs/schema/index.ts';
import { readDiskSpace } from '../../shared/files/free-space.ts';
import { listForeignGpuProcesses } from '../../shared/trainer/foreign-gpu-processes.ts';
import type { JobOutcome, PythonCommand } from '../../shared/trainer/trainer-process.ts';
import { readAttemptLog, saveLogTail } from './attempt-log.ts';
import { workerFailure } from '../../shared/errors/failure-catalogue.ts';
import { buildFailure, classifyFailure } from './classify-failure.ts';
import { formatCrash } from '../../shared/summary/format-crash.ts';
import type { PrimaryFailure } from './primary-failure.ts';

/** Classifies a failure by the logs of all ranks and hosts, and saves the end of those logs. @param savedIn job that keeps them. */
export async function explainFailure(
  savedIn: JobFolder,
  { job, owner, outcome, others }: PrimaryFailure,
  python: PythonCommand,
): Promise<{ cause: string; failure: Failure }> {
  const firstRank = 'exit' in outcome ? outcome.exit.rootCause?.rank : undefined;
  const { fence, logOffset } = owner;
  const logs = [await readAttemptLog(job, { fence, logOffset, firstRank })];
  for (const { host, job: otherJob, owner: other } of others) {
    logs.push(await readAttemptLog(otherJob, { fence: other.fence, logOffset: other.logOffset, host }));
  }
  const lines = logs.flat();
  const { freeBytes } = await readDiskSpace(job.dir);
  const failure = classifyFailure({ lines, outcome, freeBytes });
  const savedLog = await saveLogTail(savedIn, fence, lines);
  const foreign = failure.reaction === 'accumulate-gradients' ? await listForeignGpuProcesses(python, owner.pid) : [];
  const foreignText = foreign.length === 0 ? '' : ` Also on the GPU: ${foreign.join(', ')}.`;
  return { cause: `${explainOutcome(outcome) ?? ''}${foreignText}\nLog: ${savedLog ?? job.log}`, failure };
}

/** Explains the end of a trainer whose run folder, with its logs, was deleted. */
export function explainLostFolder({ train }: RunFolder): { cause: string; failure: Failure } {
  const cause = `${train.dir} was deleted while the run trained. The trainer was asked to save into a new folder.`;
  return { cause, failure: buildFailure(workerFailure('run-folder-lost'), cause) };
}

/** Explains how a job ended; null if it finished. */
export function explainOutcome(outcome: JobOutcome): string | null {
  if ('supervisorLost' in outcome) return `The trainer's supervisor (pid ${outcome.supervisorLost.pid}) was killed.`;
  const { exit } = outcome;
  switch (exit.reason) {
    case 'finished':
      return null;
    case 'preempted':
      return 'The trainer received SIGTERM and stopped.';
    case 'hung':
    case 'crashed':
      return formatCrash(exit);
    default:
      return exit.reason satisfies never;
  }
}
