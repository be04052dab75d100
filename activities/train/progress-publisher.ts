import { log } from '@temporalio/activity';
import { progressSignalName } from '../../configs/names.ts';
import type { TrainerEvent } from '../../configs/schema/index.ts';
import { LiveFile } from '../pages/runs/live-file.ts';
import { signalWorkflow } from '../shared/temporal/signal-workflow.ts';
import type { AttemptProgress } from './attempt-progress.ts';

/** Events after which the run's page is rewritten. */
const pageEvents = new Set<TrainerEvent['type']>(['started', 'validation', 'ended']);

/** Applies trainer events to the progress of an attempt, and publishes it: to the run's page and to the workflow. */
export class ProgressPublisher {
  readonly #progress: AttemptProgress;
  readonly #page: LiveFile;
  #hasMilestone = false;

  /** @param assertFence throws once a newer attempt owns the run's page. */
  constructor(progress: AttemptProgress, home: string, runId: string, assertFence: () => Promise<void>) {
    this.#progress = progress;
    this.#page = new LiveFile(home, runId, assertFence, (error) => {
      log.warn(`${runId}: could not write the run's page; the next validation writes it again`, { error });
    });
  }

  /** @param isLast whether no more events are known, so that a long record leads to one signal. */
  publish(events: TrainerEvent[], isLast: boolean): void {
    if (this.#progress.apply(events)) this.#hasMilestone = true;
    if (events.some(({ type }) => pageEvents.has(type))) this.#page.rewrite();
    if (!isLast || !this.#hasMilestone) return;
    this.#hasMilestone = false;
    void signalWorkflow(progressSignalName, this.#progress.state.progress);
  }

  /** Waits for the last write of the page, because the report later replaces the same file. */
  settled(): Promise<void> {
    return this.#page.settled();
  }
}
