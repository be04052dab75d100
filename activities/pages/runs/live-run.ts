import { lstat } from 'node:fs/promises';
import { z } from 'zod';
import { homeFolders, runFolder } from '../../../configs/paths.ts';
import {
  GpuHealthChange,
  Incident,
  RunPlan,
  TrainerControl,
  type Progress,
  type Report,
  type RunFailure,
  type TrainerEvent,
} from '../../../configs/schema/index.ts';
import { RunRecord } from '../../shared/run/run-record.ts';
import { readFailure } from '../../shared/run/failure-file.ts';
import { isSameMark, readFileMark } from '../../shared/files/file-mark.ts';
import { ignoreMissing } from '../../shared/files/ignore-missing.ts';
import { readJson } from '../../shared/files/json-file.ts';
import { readJsonLines } from '../../shared/files/json-lines.ts';
import { collectCurves } from '../../report/sections/timeline.ts';
import { buildLiveTimeline } from './live-timeline.ts';

/** State of a run, read from its folder. */
export interface LiveRun extends Pick<Report, 'runId' | 'curves' | 'timeline' | 'references'> {
  /** Null before the first start of the trainer. */
  readonly plan: RunPlan | null;
  readonly state: 'waiting' | 'training' | 'stopped' | 'finished' | 'failed';
  /** Why the run failed; null unless it did. */
  readonly failure: RunFailure | null;
  readonly progress: Progress;
  /** Total steps according to the latest trainer. */
  readonly iterations: number | null;
  /** Unix seconds of the latest checkpoint. */
  readonly savedAt: number | null;
  /** Unix seconds of the latest event of any kind. */
  readonly lastEventAt: number | null;
  /** True if the final report exists and no training started after it. */
  readonly isReported: boolean;
}

/** @returns undefined if there is no such run. */
export type ReadLiveRun = (runId: string) => Promise<LiveRun | undefined>;

/** Maximum number of tracked runs. The least recently read one is dropped. */
const maxTrackedRuns = 8;

/** Creates a reader that reads only what a run appended since the last call. */
export function createLiveRunReader(home: string): ReadLiveRun {
  const tracked = new Map<string, TrackedRun>();
  return (runId) => {
    const run = tracked.get(runId) ?? new TrackedRun(home, runId);
    tracked.delete(runId);
    tracked.set(runId, run);
    for (const [oldest] of [...tracked].slice(0, -maxTrackedRuns)) tracked.delete(oldest);
    return run.read();
  };
}

const RequestedEpochs = TrainerControl.pick({ epochs: true });
const ReportDate = z.object({ createdAt: z.number() });

class TrackedRun {
  private readonly home: string;
  private readonly runId: string;
  private readonly record: RunRecord;
  private marks: Awaited<ReturnType<typeof readFileMark>>[] = [];
  private live: LiveRun | undefined;
  private reading: Promise<LiveRun | undefined> | undefined;

  constructor(home: string, runId: string) {
    this.home = home;
    this.runId = runId;
    this.record = new RunRecord(this.folder.train.progress);
  }

  /** Reads the run. Concurrent calls share one result. */
  read(): Promise<LiveRun | undefined> {
    this.reading ??= this.refresh().finally(() => (this.reading = undefined));
    return this.reading;
  }

  private get folder() {
    return runFolder(this.home, this.runId);
  }

  private async refresh(): Promise<LiveRun | undefined> {
    const { root, plan, report, train, failure } = this.folder;
    // Links are rejected, so that pages show only the folder of runs.
    if ((await ignoreMissing(lstat(root)))?.isDirectory() !== true) return undefined;
    const incidents = homeFolders(this.home).incidents;
    const marks = await Promise.all(
      [train.progress, plan, `${report}/report.json`, incidents, train.control, failure].map(readFileMark),
    );
    const isSame = marks.every((mark, place) => mark === this.marks[place] || isSameMark(mark, this.marks[place]));
    if (this.live !== undefined && isSame) return this.live;
    await this.record.update();
    this.marks = marks;
    this.live = await this.summarize();
    return this.live;
  }

  private async summarize(): Promise<LiveRun> {
    const { record, runId } = this;
    const { events } = record;
    const plan = (await readJson(this.folder.plan, RunPlan)) ?? null;
    const incidents = await readJsonLines(homeFolders(this.home).incidents, Incident);
    const gpuChanges = await readJsonLines(this.folder.gpuHealth, GpuHealthChange);
    const start = events.findLast((event) => event.type === 'started');
    // The control file has the last epoch that a person requested after the start.
    const { epochs: requested } = (await readJson(this.folder.train.control, RequestedEpochs)) ?? {};
    const epochs = requested ?? start?.epochs ?? plan?.epochs ?? 0;
    const reported = await readJson(`${this.folder.report}/report.json`, ReportDate);
    const lastEventAt = events.at(-1)?.t ?? null;
    const failure = (await readFailure(this.folder)) ?? null;
    return {
      runId,
      plan,
      lastEventAt,
      state: failure === null ? stateOf(events) : 'failed',
      failure,
      references: plan?.references ?? [],
      progress: record.progress(epochs),
      iterations: start === undefined ? null : epochs * start.iterationsPerEpoch,
      savedAt: events.findLast((event) => event.type === 'checkpoint')?.t ?? null,
      curves: collectCurves(record),
      timeline: buildLiveTimeline(record, incidents, gpuChanges),
      isReported: reported !== undefined && reported.createdAt >= (lastEventAt ?? 0),
    };
  }
}

function stateOf(events: readonly TrainerEvent[]): LiveRun['state'] {
  const last = events.findLast(({ type }) => type === 'started' || type === 'ended');
  if (last === undefined) return 'waiting';
  if (last.type !== 'ended') return 'training';
  return last.reason === 'finished' ? 'finished' : 'stopped';
}
