import { defineQuery, defineSignal, setCurrentDetails, setHandler, upsertSearchAttributes } from '@temporalio/workflow';
import { questionSignalName, statusQueryName } from '../../configs/names.ts';
import {
  RunQuestion,
  variantRun,
  type SweepInput,
  type SweepResult,
  type SweepStatus,
  type VariantNews,
  type VariantStatus,
} from '../../configs/schema/index.ts';
import { renderSweepDetails } from './sweep-details.ts';
import { bboxKey, phaseKey } from '../support/search-attribute-keys.ts';

/** `unknown`, because any client may send a signal. */
const questionSignal = defineSignal<[unknown]>(questionSignalName);
const sweepStatusQuery = defineQuery<SweepStatus>(statusQueryName);

/** Publishes the state of a sweep: `status` query, current details and search attributes, updated together. */
export class SweepBoard {
  private status: SweepStatus;

  constructor({ name, variants, earlyStop }: SweepInput) {
    const waiting = {
      state: 'running',
      joined: false,
      scores: [],
      stoppedEarly: null,
      result: null,
      failure: null,
    } as const;
    this.status = {
      name,
      stage: 'training',
      earlyStop: earlyStop ?? null,
      verdict: [],
      report: null,
      variants: variants.map((one) => ({
        ...waiting,
        scores: [],
        variant: one.name,
        runId: variantRun(name, one.name),
      })),
    };
    setHandler(sweepStatusQuery, () => this.status, {
      description: 'Returns state, validations and scores of each variant.',
    });
    setHandler(
      questionSignal,
      (raw) => {
        const { data } = RunQuestion.safeParse(raw);
        const asking = this.status.variants.find(({ runId }) => runId === data?.runId);
        if (asking !== undefined) this.change(asking.variant, { question: data?.question });
      },
      { description: 'Sent by a variant when it waits for a decision. Not for manual use.' },
    );
    this.show({});
  }

  get variants(): readonly VariantStatus[] {
    return this.status.variants;
  }

  /** Newest epoch of each run whose validation is known. */
  get validatedEpochs(): { runId: string; epoch: number }[] {
    return this.status.variants.map(({ runId, scores }) => ({ runId, epoch: scores.at(-1)?.epoch ?? 0 }));
  }

  /** Variants without their scores, which the reports contain. */
  get summary(): SweepResult['variants'] {
    return this.status.variants.map(({ variant, runId, state, joined, stoppedEarly, result, failure }) => ({
      variant,
      runId,
      state,
      joined,
      stoppedEarly,
      result,
      failure,
    }));
  }

  /** Input of `writeComparison`. */
  toComparison(input: SweepInput): { input: SweepInput; variants: VariantStatus[] } {
    return { input, variants: this.status.variants };
  }

  enter(stage: SweepStatus['stage']): void {
    this.show({ stage });
  }

  change(variant: string, change: Partial<VariantStatus>): void {
    this.show({ variants: this.status.variants.map((one) => (one.variant === variant ? { ...one, ...change } : one)) });
  }

  addScores(news: readonly VariantNews[]): void {
    for (const { runId, scores } of news) {
      const found = this.status.variants.find((one) => one.runId === runId);
      if (found !== undefined) this.change(found.variant, { scores: [...found.scores, ...scores] });
    }
  }

  finish(verdict: string[], report: string): void {
    this.show({ stage: 'done', verdict, report });
  }

  private show(change: Partial<SweepStatus>): void {
    this.status = { ...this.status, ...change };
    setCurrentDetails(renderSweepDetails(this.status));
    const tested = this.status.variants.flatMap(({ result }) => result?.bboxAP ?? []);
    upsertSearchAttributes([
      { key: phaseKey, value: this.status.stage },
      { key: bboxKey, value: tested.length === 0 ? null : Math.max(...tested) },
    ]);
  }
}
