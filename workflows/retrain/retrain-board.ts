import {
  condition,
  defineQuery,
  defineSignal,
  defineUpdate,
  setCurrentDetails,
  setHandler,
  upsertSearchAttributes,
} from '@temporalio/workflow';
import { ApplicationFailure } from '@temporalio/common';
import { approvalUpdateNames, questionSignalName, statusQueryName, triggerSignalName } from '../../configs/names.ts';
import {
  RunQuestion,
  Trigger,
  type RetrainDecision,
  type RetrainOutcome,
  type RetrainStatus,
  type VersionId,
} from '../../configs/schema/index.ts';
import { renderRetrainDetails } from './retrain-details.ts';
import { phaseKey } from '../support/search-attribute-keys.ts';

const retrainStatusQuery = defineQuery<RetrainStatus>(statusQueryName);
/** `unknown`, because any client may send a signal. */
const triggerSignal = defineSignal<[unknown]>(triggerSignalName);
const questionSignal = defineSignal<[unknown]>(questionSignalName);
const approveUpdate = defineUpdate<string, [{ who: string; why: string }]>(approvalUpdateNames.approve);
const rejectUpdate = defineUpdate<string, [{ who: string; why: string }]>(approvalUpdateNames.reject);

const hourMs = 3_600_000;
/** Maximum number of triggers, decisions and outcomes to keep; a client may send thousands of triggers. */
const maxEntries = 100;

interface Answer {
  approved: boolean;
  who: string;
  why: string;
}

/** Shows the status of a retraining and receives its triggers and approvals. */
export class RetrainBoard {
  private status: RetrainStatus;
  private phase: RetrainStatus['stage'] | undefined;
  private answer: Answer | undefined;

  constructor(model: string, before?: RetrainStatus) {
    const { decisions = [], outcomes = [], pendingTriggers: waiting = [], page = null } = before ?? {};
    this.status = {
      model,
      stage: 'detecting changes',
      champion: null,
      decisions,
      outcomes,
      pendingTriggers: waiting,
      awaitingApproval: null,
      page,
    };
    setHandler(retrainStatusQuery, () => this.status, {
      description: 'Returns stage, champion, decisions and outcomes of the retraining.',
    });
    setHandler(
      triggerSignal,
      (raw) => {
        const trigger = Trigger.safeParse(raw);
        if (trigger.success) this.show({ pendingTriggers: newest(this.status.pendingTriggers, trigger.data) });
      },
      { description: 'Requests a retraining. Input: { "who": NAME, "why": REASON, "at": UNIX_SECONDS }.' },
    );
    setHandler(
      questionSignal,
      (raw) => {
        const { data } = RunQuestion.safeParse(raw);
        if (data !== undefined) this.show({ question: data.question });
      },
      { description: 'Sent by the training of a candidate when it waits for a decision. Not for manual use.' },
    );
    setHandler(approveUpdate, (answer) => this.receiveAnswer({ ...answer, approved: true }), {
      description: 'Promotes the candidate that waits for approval. Input: { "who": NAME, "why": REASON }.',
      validator: this.validateAnswer,
    });
    setHandler(rejectUpdate, (answer) => this.receiveAnswer({ ...answer, approved: false }), {
      description: 'Rejects the candidate that waits for approval. Input: { "who": NAME, "why": REASON }.',
      validator: this.validateAnswer,
    });
    this.show({});
  }

  get current(): RetrainStatus {
    return this.status;
  }

  /** Returns the pending triggers and clears them. One check for changes answers all of them. */
  drainTriggers(): Trigger[] {
    const { pendingTriggers: waiting } = this.status;
    this.show({ pendingTriggers: [] });
    return waiting;
  }

  show(change: Partial<RetrainStatus>): void {
    this.status = { ...this.status, ...change };
    setCurrentDetails(renderRetrainDetails(this.status));
    this.showPhase();
  }

  /** Updates the search attribute only on a change, because each update adds an event to the history. */
  private showPhase(): void {
    const { stage } = this.status;
    if (stage === this.phase) return;
    this.phase = stage;
    upsertSearchAttributes([{ key: phaseKey, value: stage }]);
  }

  /** Shows what the retraining waits for; null clears it. */
  readonly showNotice = (notice: string | null): void => this.show({ notice });

  addDecision(decision: RetrainDecision): void {
    this.show({ decisions: newest(this.status.decisions, decision) });
  }

  addOutcome(outcome: RetrainOutcome): void {
    this.show({ outcomes: newest(this.status.outcomes, outcome), question: null });
  }

  /**
   * Waits for an answer to the candidate.
   * @param remind is called at once, and again after every `remindAfterHours`.
   * @returns undefined if the deadline passes without an answer.
   */
  async requestApproval(
    version: VersionId,
    { deadlineHours, remindAfterHours }: { deadlineHours: number; remindAfterHours: number },
    remind: () => void,
  ): Promise<Answer | undefined> {
    this.answer = undefined;
    this.show({ stage: 'waiting for approval', awaitingApproval: version });
    const deadline = Date.now() + deadlineHours * hourMs;
    let isAnswered = false;
    for (let left = deadline - Date.now(); left > 0 && !isAnswered; left = deadline - Date.now()) {
      remind();
      isAnswered = await condition(() => this.answer !== undefined, Math.min(remindAfterHours * hourMs, left), {
        summary: `approval of ${version}`,
      });
    }
    this.show({ awaitingApproval: null });
    return this.answer;
  }

  private receiveAnswer(answer: Answer): string {
    this.answer = answer;
    return `${answer.approved ? 'approved' : 'rejected'}: ${this.status.awaitingApproval ?? ''}`;
  }

  private readonly validateAnswer = (answer: unknown): void => {
    if (this.status.awaitingApproval === null)
      throw ApplicationFailure.nonRetryable(
        `No candidate of ${this.status.model} waits for approval: its retraining is ${this.status.stage}.`,
        'InvalidInput',
      );
    const { who, why } = (answer ?? {}) as Record<string, unknown>;
    if (typeof who !== 'string' || who === '' || typeof why !== 'string' || why === '')
      throw ApplicationFailure.nonRetryable(
        'Expected { "who": …, "why": … }: both are kept in the history.',
        'InvalidInput',
      );
  };
}

const newest = <T>(kept: readonly T[], one: T): T[] => [...kept, one].slice(-maxEntries);
