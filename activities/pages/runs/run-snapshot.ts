import {
  GpuWait,
  RunPlan,
  TestedMetrics,
  TrainerControl,
  TrainerExit,
  TrainerOwner,
  type RunCancellation,
  type RunFailure,
} from '../../../configs/schema/index.ts';
import { homeFolders, runFolder, type JobFolder, type RunFolder } from '../../../configs/paths.ts';
import { readRegularFile } from '../../shared/files/regular-file.ts';
import { readJson } from '../../shared/files/json-file.ts';
import { readCancellation, readFailure } from '../../shared/run/run-end-files.ts';
import { leaderJob } from '../../shared/trainer/host-topology.ts';

/** What the small files of a run folder say. */
export interface RunSnapshot {
  /** Null before the first start of the trainer. */
  readonly plan: RunPlan | null;
  readonly training: JobSnapshot;
  readonly test: JobSnapshot;
  /** Last epoch that a person requested after the start; null without a request. */
  readonly requestedEpochs: number | null;
  /** Metrics of the newest test; null without one. */
  readonly metrics: TestedMetrics | null;
  /** Why the run failed; null unless it did. */
  readonly failure: RunFailure | null;
  /** When the run was cancelled; null unless it was. */
  readonly cancellation: RunCancellation | null;
  /** Unix seconds of the final report; null without one. */
  readonly reportedAt: number | null;
}

export interface JobSnapshot {
  readonly owner: TrainerOwner | undefined;
  readonly exit: TrainerExit | undefined;
  readonly wait: GpuWait | undefined;
}

const RequestedEpochs = TrainerControl.pick({ epochs: true });

export async function readSnapshot(home: string, runId: string): Promise<RunSnapshot> {
  const folder = runFolder(home, runId);
  const plan = (await readJson(folder.plan, RunPlan)) ?? null;
  const [training, test, control, metrics, failure, cancellation, reportedAt] = await Promise.all([
    readJob(leadingJob(folder, plan)),
    readJob(folder.test),
    readJson(folder.train.control, RequestedEpochs),
    readJson(folder.metrics, TestedMetrics),
    readFailure(folder),
    readCancellation(folder),
    readReportDate(home, runId),
  ]);
  return {
    plan,
    training,
    test,
    requestedEpochs: control?.epochs ?? null,
    metrics: metrics ?? null,
    failure: failure ?? null,
    cancellation: cancellation ?? null,
    reportedAt,
  };
}

/**
 * Returns the paths that change with a run, first root and training folder. Its files are renamed into place, which
 * changes their folders; only the progress file grows.
 */
export function watchedPaths(folder: RunFolder, plan: RunPlan | null): string[] {
  const { root, train, test, report } = folder;
  return [root, train.dir, leadingJob(folder, plan).dir, test.dir, report, train.progress];
}

/** Returns the job folder of the supervisor that leads the training. */
export const leadingJob = (folder: RunFolder, plan: RunPlan | null): JobFolder =>
  plan === null ? folder.train : leaderJob(folder, plan);

async function readJob(job: JobFolder): Promise<JobSnapshot> {
  const [owner, exit, wait] = await Promise.all([
    readJson(job.owner, TrainerOwner),
    readJson(job.exit, TrainerExit),
    readJson(job.waiting, GpuWait),
  ]);
  return { owner, exit, wait };
}

/** Returns the number of epochs to train, as far as it is known. */
export const plannedEpochs = ({ plan, requestedEpochs }: RunSnapshot, start: { epochs: number } | undefined): number =>
  requestedEpochs ?? start?.epochs ?? plan?.epochs ?? 0;

/** The date is one of the first fields; the whole report can have megabytes. */
const beginningBytes = 2048;

async function readReportDate(home: string, runId: string): Promise<number | null> {
  const beginning = await readRegularFile(homeFolders(home).runs, `${runId}/report/report.json`, async (file) => {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(beginningBytes), 0, beginningBytes, 0);
    return buffer.toString('utf8', 0, bytesRead);
  });
  const [, createdAt] = /"createdAt":\s*([\d.]+)/.exec(beginning ?? '') ?? [];
  return createdAt === undefined ? null : Number(createdAt);
}
