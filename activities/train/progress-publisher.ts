import { log } from '@temporalio/activity';
import { namedProgressPrefix, progressSignalName } from '../../configs/names.ts';
import type { Progress, TrainerEvent } from '../../configs/schema/index.ts';
import { formatPoints } from '../shared/summary/format-score.ts';
import { LiveFile } from '../pages/runs/live-file.ts';
import { signalWorkflow } from '../shared/temporal/signal-workflow.ts';
import type { AttemptProgress } from './attempt-progress.ts';
import type { TrainingRequest } from './training-request.ts';

/** Events after which the run's page is rewritten. */
const pageEvents = new Set<TrainerEvent['type']>(['started', 'validation', 'ended']);

/** Applies trainer events to the progress of an attempt, and publishes it: to the run's page and to the workflow. */
export class ProgressPublisher {
  readonly #progress: AttemptProgress;
  readonly #page: LiveFile;
  readonly #namesProgress: boolean;
  #hasMilestone = false;
  #hasValidation = false;

  /** @param assertFence throws once a newer attempt owns the run's page. */
  constructor(
    progress: AttemptProgress,
    home: string,
    { plan: { runId }, namesProgress = false }: Pick<TrainingRequest, 'plan' | 'namesProgress'>,
    assertFence: () => Promise<void>,
  ) {
    this.#progress = progress;
    this.#namesProgress = namesProgress;
    this.#page = new LiveFile(home, runId, assertFence, (error) => {
      log.warn(`${runId}: could not write the run's page; the next validation writes it again`, { error });
    });
  }

  /** @param isLast whether no more events are known, so that a long record leads to one signal. */
  publish(events: TrainerEvent[], isLast: boolean): void {
    if (this.#progress.apply(events)) this.#hasMilestone = true;
    if (events.some(({ type }) => pageEvents.has(type))) this.#page.rewrite();
    if (events.some(({ type }) => type === 'validation')) this.#hasValidation = true;
    if (!isLast || !this.#hasMilestone) return;
    const { progress } = this.#progress.state;
    const name = this.#hasValidation && this.#namesProgress ? nameValidation(progress) : progressSignalName;
    this.#hasMilestone = false;
    this.#hasValidation = false;
    void signalWorkflow(name, progress);
  }

  /** Waits for the last write of the page, because the report later replaces the same file. */
  settled(): Promise<void> {
    return this.#page.settled();
  }
}

/** Returns `progress: epoch 3/36, box AP 24.0, mask AP 22.0`. */
function nameValidation({ validatedEpoch, epochs, bboxAP, segmAP }: Progress): string {
  const scores = [
    ...(bboxAP === null ? [] : [`box AP ${formatPoints(bboxAP)}`]),
    ...(segmAP === null ? [] : [`mask AP ${formatPoints(segmAP)}`]),
  ];
  return namedProgressPrefix + [`epoch ${validatedEpoch ?? '?'}/${epochs}`, ...scores].join(', ');
}
