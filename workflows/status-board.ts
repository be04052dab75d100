import { defineQuery, defineSignal, setCurrentDetails, setHandler, upsertSearchAttributes } from '@temporalio/workflow';
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import { progressSignalName, type searchAttributes, statusQueryName } from '../configs/names.ts';
import { Progress, type Attempt, type Decision, type RunInput, type RunStatus, type Stage } from '../configs/schema.ts';
import { renderCurrentDetails } from './current-details.ts';

export const statusQuery = defineQuery<RunStatus>(statusQueryName);
/** From the training activity; `unknown`, because any client may send a signal. */
export const progressSignal = defineSignal<[unknown]>(progressSignalName);

const phaseKey = defineSearchAttributeKey(nameOf('Phase'), SearchAttributeType.KEYWORD);
const recipeKey = defineSearchAttributeKey(nameOf('Recipe'), SearchAttributeType.KEYWORD);
const epochKey = defineSearchAttributeKey(nameOf('Epoch'), SearchAttributeType.INT);
const bboxKey = defineSearchAttributeKey(nameOf('BboxMAP'), SearchAttributeType.DOUBLE);
const segmKey = defineSearchAttributeKey(nameOf('SegmMAP'), SearchAttributeType.DOUBLE);

/** What the run shows of itself while it lives: the `status` query, current details and search attributes, always together. */
export class StatusBoard {
  private status: RunStatus;

  constructor({ name: runId, recipe }: RunInput) {
    this.status = { runId, recipe, stage: 'planning', progress: null, attempts: [], decisions: [], report: null };
    setHandler(statusQuery, () => this.status);
    setHandler(progressSignal, (raw) => {
      const progress = Progress.safeParse(raw);
      if (progress.success) this.show({ progress: progress.data });
    });
    this.show({});
  }

  get attempts(): readonly Attempt[] {
    return this.status.attempts;
  }

  get progress(): Progress | null {
    return this.status.progress;
  }

  get decisions(): readonly Decision[] {
    return this.status.decisions;
  }

  enter(stage: Stage): void {
    this.show({ stage });
  }

  record(attempt: Attempt, decision: Decision): void {
    this.show({ attempts: [...this.status.attempts, attempt], decisions: [...this.status.decisions, decision] });
  }

  /** From here on the test's numbers stand where the last validation's stood. */
  finish(report: string, bboxAP: number | null, segmAP: number | null): void {
    const { progress } = this.status;
    this.show({ stage: 'done', report, progress: progress === null ? null : { ...progress, bboxAP, segmAP } });
  }

  private show(change: Partial<RunStatus>): void {
    this.status = { ...this.status, ...change };
    const { stage, recipe, progress } = this.status;
    setCurrentDetails(renderCurrentDetails(this.status));
    upsertSearchAttributes([
      { key: phaseKey, value: stage },
      { key: recipeKey, value: recipe },
      { key: epochKey, value: progress?.epoch ?? 0 },
      { key: bboxKey, value: progress?.bboxAP ?? null },
      { key: segmKey, value: progress?.segmAP ?? null },
    ]);
  }
}

/** Ties each key to configs/names.ts, so that a renamed attribute does not compile here. */
function nameOf(name: keyof typeof searchAttributes): string {
  return name;
}
