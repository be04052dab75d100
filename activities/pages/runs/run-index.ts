import pMap from 'p-map';
import { runFolder, type RunFolder } from '../../../configs/paths.ts';
import type { FileMark, TrainerEvent } from '../../../configs/schema/index.ts';
import { areSameMarks, readFileMark } from '../../shared/files/file-mark.ts';
import { ignoreStorageErrors } from '../../shared/files/storage-error.ts';
import { ProgressReader } from '../../shared/run/progress-reader.ts';
import { summarizeEvents, type EventFacts } from './event-facts.ts';
import { listRunNames } from './list-runs.ts';
import { leadingJob, readSnapshot, watchedPaths, type RunSnapshot } from './run-snapshot.ts';
import { findState, runningStages, type RunState } from './run-state.ts';

/** A row of the table of runs. Null is unknown. */
export interface RunRow extends RunState, Omit<EventFacts, 'ends' | 'lastEventAt' | 'startedAt'> {
  readonly runId: string;
  readonly recipe: string | null;
  readonly dataset: string | null;
  /** Box AP of the test, otherwise of the newest validation. */
  readonly boxAP: number | null;
  /** Unix seconds of the last sign of the trainer. */
  readonly heartbeatAt: number | null;
  readonly startedAt: number;
}

export type ListRunRows = () => Promise<RunRow[]>;

/** Bounds open files and memory while many runs are read for the first time. */
const concurrency = 16;

/** Creates a reader of all runs of a home, newest first. It reads only what changed since the last call. */
export function createRunIndex(home: string): ListRunRows {
  const tracked = new Map<string, IndexedRun>();
  const list = async (): Promise<RunRow[]> => {
    const names = new Set(await listRunNames(home));
    for (const name of tracked.keys()) if (!names.has(name)) tracked.delete(name);
    const rows = await pMap(
      names,
      async (name) => {
        const run = tracked.get(name) ?? new IndexedRun(home, name);
        tracked.set(name, run);
        return ignoreStorageErrors(run.read(), undefined);
      },
      { concurrency },
    );
    return rows
      .filter((row) => row !== undefined)
      .sort((a, b) => b.startedAt - a.startedAt || a.runId.localeCompare(b.runId));
  };
  let reading: Promise<RunRow[]> | undefined;
  return () => (reading ??= list().finally(() => (reading = undefined)));
}

class IndexedRun {
  private readonly home: string;
  private readonly runId: string;
  private readonly folder: RunFolder;
  private marks: (FileMark | undefined)[] = [];
  private isOver = false;
  private known: { snapshot: RunSnapshot; facts: EventFacts } | undefined;
  /** Reader and its events; kept only while the run is active, because its buffer is large. */
  private active: { reader: ProgressReader; events: TrainerEvent[] } | undefined;

  constructor(home: string, runId: string) {
    this.home = home;
    this.runId = runId;
    this.folder = runFolder(home, runId);
  }

  /** @returns undefined if the folder was deleted meanwhile, or cannot be read. */
  async read(): Promise<RunRow | undefined> {
    const paths = watchedPaths(this.folder, this.known?.snapshot.plan ?? null);
    // A run that is over changes root and training folder first. Most runs are over, and each path costs a system call.
    const marks = await Promise.all(paths.slice(0, this.isOver ? 2 : undefined).map(readFileMark));
    const [root] = marks;
    if (root === undefined) return undefined;
    if (this.known === undefined || !areSameMarks(marks, this.marks.slice(0, marks.length))) {
      this.known = await this.readChanged();
      this.marks = marks;
    }
    return this.toRow(this.known, Number(root.mtimeNs) / 1e9);
  }

  private async readChanged(): Promise<{ snapshot: RunSnapshot; facts: EventFacts }> {
    const events = await this.readEvents();
    const snapshot = await readSnapshot(this.home, this.runId);
    return { snapshot, facts: summarizeEvents(snapshot, events) };
  }

  private async readEvents(): Promise<readonly TrainerEvent[]> {
    this.active ??= startReading(this.folder.train.progress);
    const { reader, events } = this.active;
    await reader.readNew((more) => events.push(...more));
    return events;
  }

  private async toRow({ snapshot, facts }: NonNullable<typeof this.known>, folderChangedAt: number): Promise<RunRow> {
    const { plan, metrics, training, test } = snapshot;
    const { ends, lastEventAt, startedAt, ...others } = facts;
    const state = await findState(snapshot, ends);
    const isRunning = runningStages.has(state.stage);
    if (!isRunning) this.active = undefined;
    this.isOver = ['completed', 'failed', 'cancelled'].includes(state.stage);
    const job = state.stage === 'testing' ? this.folder.test : leadingJob(this.folder, plan);
    const heartbeat = isRunning ? await readFileMark(job.heartbeat(0)) : undefined;
    const signs = [lastEventAt, heartbeat && Number(heartbeat.mtimeNs) / 1e9, test.exit?.endedAt].flatMap(
      (at) => at ?? [],
    );
    return {
      runId: this.runId,
      ...state,
      ...others,
      recipe: plan?.recipe.name ?? null,
      dataset: plan?.dataset.id ?? null,
      boxAP: (state.stage === 'completed' ? metrics?.bbox.AP : others.progress.bboxAP) ?? null,
      heartbeatAt: signs.length === 0 ? null : Math.max(...signs),
      startedAt: startedAt ?? training.owner?.startedAt ?? training.wait?.since ?? folderChangedAt,
    };
  }
}

function startReading(path: string): { reader: ProgressReader; events: TrainerEvent[] } {
  const events: TrainerEvent[] = [];
  return { reader: new ProgressReader(path, { steps: 'last', onReplaced: () => (events.length = 0) }), events };
}
