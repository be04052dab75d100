import { lstat } from 'node:fs/promises';
import { relative } from 'node:path';
import { homeFolders, runFolder, type RunFolder } from '../../../configs/paths.ts';
import {
  GpuHealth,
  GpuHealthChange,
  Incident,
  type FileMark,
  type Progress,
  type Report,
  type RunFailure,
  type RunPlan,
} from '../../../configs/schema/index.ts';
import { readTail } from '../../shared/files/log-tail.ts';
import { readRegularFile } from '../../shared/files/regular-file.ts';
import { findNewestLog } from '../../shared/run/run-logs.ts';
import { RunRecord, toNullable } from '../../shared/run/run-record.ts';
import { areSameMarks, readFileMark } from '../../shared/files/file-mark.ts';
import { ignoreMissing } from '../../shared/files/ignore-missing.ts';
import { readJson } from '../../shared/files/json-file.ts';
import { readJsonLines } from '../../shared/files/json-lines.ts';
import { chooseSamples, type CurvePoint } from '../../report/components/downsample.ts';
import { collectCurves } from '../../report/sections/timeline.ts';
import { buildLiveTimeline } from './live-timeline.ts';
import { plannedEpochs, readSnapshot, watchedPaths, type RunSnapshot } from './run-snapshot.ts';
import { findState, isReported, type RunState } from './run-state.ts';

/** State of a run, read from its folder. */
export interface LiveRun extends RunState, Pick<Report, 'runId' | 'curves' | 'timeline' | 'references'> {
  /** Null before the first start of the trainer. */
  readonly plan: RunPlan | null;
  /** Why the run failed; null unless it did. */
  readonly failure: RunFailure | null;
  /** True if the final report exists and no training started after it. */
  readonly isReported: boolean;
  readonly progress: Progress;
  /** Total steps according to the latest trainer. */
  readonly iterations: number | null;
  /** Unix seconds of the latest checkpoint. */
  readonly savedAt: number | null;
  /** Unix seconds of the latest event of any kind. */
  readonly lastEventAt: number | null;
  /** Images per second over all GPUs, by iteration. */
  readonly speed: readonly CurvePoint[];
  /** Peak memory of the first rank's GPU, in MiB; null on a CPU and before the first step. */
  readonly memoryMb: number | null;
  /** Newest reading of the GPUs while a training ran; null without one. */
  readonly gpus: GpuHealth | null;
  /** End of the log that the run wrote last; null if there is none. */
  readonly log: LogEnd | null;
}

interface LogEnd {
  /** Path in the run folder. */
  readonly path: string;
  readonly lines: readonly string[];
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

const maxSpeedPoints = 600;
/** Enough for 40 lines of a trainer, which are seldom longer than a kilobyte. */
const log = { lines: 40, bytes: 64 * 1024 };

class TrackedRun {
  private readonly home: string;
  private readonly runId: string;
  private readonly folder: RunFolder;
  private readonly record: RunRecord;
  private marks: (FileMark | undefined)[] = [];
  private known: { snapshot: RunSnapshot; live: LiveRun } | undefined;
  private reading: Promise<LiveRun | undefined> | undefined;

  constructor(home: string, runId: string) {
    this.home = home;
    this.runId = runId;
    this.folder = runFolder(home, runId);
    this.record = new RunRecord(this.folder.train.progress);
  }

  /** Reads the run. Concurrent calls share one result. */
  read(): Promise<LiveRun | undefined> {
    this.reading ??= this.refresh().finally(() => (this.reading = undefined));
    return this.reading;
  }

  private async refresh(): Promise<LiveRun | undefined> {
    const { folder } = this;
    // Links are rejected, so that pages show only the folder of runs.
    if ((await ignoreMissing(lstat(folder.root)))?.isDirectory() !== true) return undefined;
    const logPath = await findNewestLog(folder, 0);
    const paths = watchedPaths(folder, this.known?.snapshot.plan ?? null);
    const growing = [folder.gpuHealth, homeFolders(this.home).incidents, ...(logPath === undefined ? [] : [logPath])];
    const marks = await Promise.all([...paths, ...growing].map(readFileMark));
    if (this.known !== undefined && areSameMarks(marks, this.marks)) {
      const { stage } = await findState(this.known.snapshot, this.record.events);
      // The death of a process changes no file.
      if (stage === this.known.live.stage) return this.known.live;
    }
    await this.record.update();
    this.marks = marks;
    const snapshot = await readSnapshot(this.home, this.runId);
    const live = await this.summarize(snapshot, logPath);
    this.known = { snapshot, live };
    return live;
  }

  private async summarize(snapshot: RunSnapshot, logPath: string | undefined): Promise<LiveRun> {
    const { record, runId, folder } = this;
    const { events } = record;
    const { plan, failure } = snapshot;
    const incidents = await readJsonLines(homeFolders(this.home).incidents, Incident);
    const gpuChanges = await readJsonLines(folder.gpuHealth, GpuHealthChange);
    const start = events.findLast((event) => event.type === 'started');
    const epochs = plannedEpochs(snapshot, start);
    return {
      runId,
      plan,
      failure,
      isReported: isReported(snapshot, events),
      ...(await findState(snapshot, events)),
      lastEventAt: events.at(-1)?.t ?? null,
      references: plan?.references ?? [],
      progress: record.progress(epochs),
      iterations: start === undefined ? null : epochs * start.iterationsPerEpoch,
      speed: collectSpeed(record),
      memoryMb: events.findLast((event) => event.type === 'step')?.memoryMb ?? null,
      gpus: (await readJson(folder.gpus, GpuHealth)) ?? null,
      savedAt: events.findLast((event) => event.type === 'checkpoint')?.t ?? null,
      curves: collectCurves(record),
      timeline: buildLiveTimeline(record, incidents, gpuChanges),
      log: logPath === undefined ? null : await this.readLogEnd(logPath),
    };
  }

  private async readLogEnd(path: string): Promise<LogEnd | null> {
    const { runs } = homeFolders(this.home);
    const lines = await readRegularFile(runs, relative(runs, path), (file) => readTail(file, log.bytes));
    return lines === undefined ? null : { path: relative(this.folder.root, path), lines: lines.slice(-log.lines) };
  }
}

function collectSpeed({ steps: { iteration, imagesPerSecond } }: RunRecord): CurvePoint[] {
  const speedAt = (index: number): number | null => toNullable(imagesPerSecond[index]);
  return chooseSamples(iteration.length, speedAt, maxSpeedPoints).map((index) => ({
    x: iteration[index] ?? 0,
    y: speedAt(index),
  }));
}
