import type { Progress, TrainerEvent } from '../../../configs/schema/index.ts';
import { filterLineage } from './lineage.ts';
import { ProgressReader } from './progress-reader.ts';
import { applyEvent, initialState } from './run-state.ts';

type StepEvent = Extract<TrainerEvent, { type: 'step' }>;

/**
 * Values of steps in columns: half a million objects would take ten times the memory. `seconds` is the time in all steps
 * since the last event. NaN is a value that was not finite or not recorded.
 */
type StepColumns = Record<
  'epoch' | 'iteration' | 't' | 'loss' | 'lr' | 'seconds' | 'imagesPerSecond' | 'mfu',
  number[]
>;

/**
 * Record of a run, read from progress.jsonl as it grows. Of consecutive steps it keeps only the last as an event; the
 * others are in columns. So a run that logs each step fits in tens of megabytes.
 */
export class RunRecord {
  readonly #reader: ProgressReader;
  #events: TrainerEvent[] = [];
  /** Steps of all trainers, in the order in which they were written. */
  #written: Pick<StepColumns, 'iteration' | 't'> = { iteration: [], t: [] };
  /** Steps that no later trainer repeated, by iteration. */
  #kept = createColumns();
  /** Iterations at the last event of the trainer. */
  #iteration = 0;

  constructor(path: string) {
    this.#reader = new ProgressReader(path, { onReplaced: () => this.#clear() });
  }

  static async read(path: string): Promise<RunRecord> {
    const record = new RunRecord(path);
    await record.update();
    return record;
  }

  /** Creates the record of these events. */
  static of(events: readonly TrainerEvent[]): RunRecord {
    const record = new RunRecord('');
    for (const event of events) record.#add(event);
    return record;
  }

  /** Reads what was appended since the last call. */
  update(): Promise<void> {
    return this.#reader.readNew((events) => {
      for (const event of events) this.#add(event);
    });
  }

  /** Events of all trainers, in the order in which they were written; of consecutive steps only the last. */
  get events(): readonly TrainerEvent[] {
    return this.#events;
  }

  /** Steps that no later trainer repeated, by iteration. */
  get steps(): Readonly<StepColumns> {
    return this.#kept;
  }

  /** Returns the progress of the preserved lineage towards a number of epochs. */
  progress(epochs: number): Progress {
    const { progress } = filterLineage(this.#events).reduce(applyEvent, initialState(0, epochs, 0));
    return { ...progress, loss: toNullable(this.#kept.loss.at(-1)), lr: toNullable(this.#kept.lr.at(-1)) };
  }

  /** Returns the iteration at a time; null before training starts and after it ends. */
  findIteration(at: number): number | null {
    const known = this.#events.filter((event) => 'iteration' in event);
    if (!known.some((event) => event.t > at)) return null;
    const { t, iteration } = this.#written;
    const before = known.findLast((event) => event.t <= at);
    const step = t.findLastIndex((time) => time <= at);
    const isStepLater = (t[step] ?? -Infinity) > (before?.t ?? -Infinity);
    return (isStepLater ? iteration[step] : before?.iteration) ?? null;
  }

  #add(event: TrainerEvent): void {
    if (event.type === 'started') {
      this.#discardAfter(event.iteration);
      this.#iteration = event.iteration;
    }
    if (event.type === 'step') this.#addStep(event);
    this.#events.push(event);
  }

  #addStep({ epoch, iteration, t, loss, lr, stepSeconds, imagesPerSecond, mfu }: StepEvent): void {
    if (this.#events.at(-1)?.type === 'step') this.#events.pop();
    this.#written.iteration.push(iteration);
    this.#written.t.push(t);
    this.#discardAfter(iteration - 1);
    this.#kept.iteration.push(iteration);
    this.#kept.t.push(t);
    this.#kept.loss.push(loss ?? NaN);
    this.#kept.lr.push(lr ?? NaN);
    this.#kept.epoch.push(epoch);
    this.#kept.seconds.push(stepSeconds * (iteration - this.#iteration));
    this.#kept.imagesPerSecond.push(imagesPerSecond ?? NaN);
    this.#kept.mfu.push(mfu ?? NaN);
    this.#iteration = iteration;
  }

  #discardAfter(iteration: number): void {
    while ((this.#kept.iteration.at(-1) ?? -1) > iteration)
      for (const column of Object.values(this.#kept)) column.pop();
  }

  #clear(): void {
    this.#events = [];
    this.#written = { iteration: [], t: [] };
    this.#kept = createColumns();
    this.#iteration = 0;
  }
}

const createColumns = (): StepColumns => ({
  iteration: [],
  t: [],
  loss: [],
  lr: [],
  epoch: [],
  seconds: [],
  imagesPerSecond: [],
  mfu: [],
});

/** Returns null for NaN, as which columns hold it. */
export const toNullable = (value: number | undefined): number | null =>
  value === undefined || Number.isNaN(value) ? null : value;
