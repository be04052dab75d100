import { ActivityFailure, ApplicationFailure, patched, sleep } from '@temporalio/workflow';
import { TestFailure, type RunPlan } from '../../configs/schema/index.ts';
import { codedFailure, hasCode } from '../support/coded-failure.ts';
import type { Notifier } from '../support/notify.ts';
import { crashError, storageErrors } from '../support/policies.ts';
import { backOff, longestOutageWaitSeconds, triesWithoutProgress } from './decide.ts';
import { repeatSteps } from './patches.ts';
import type { StatusBoard } from './status-board.ts';
import { waitForStorage } from './wait-for-storage.ts';

export interface Step {
  plan: RunPlan;
  board: StatusBoard;
  notices: Notifier;
  /** Name of the step in messages. */
  name: string;
}

/**
 * Repeats a step after the training until it succeeds. A storage that does not work is waited for, with a notice and
 * without a limit. Crashes in a row without progress end the run; Temporal's retries would repeat them for hours.
 */
export async function repeatStep<T>({ plan, board, notices, name }: Step, work: () => Promise<T>): Promise<T> {
  const failures = new FailureStreak();
  let outages = 0;
  for (;;) {
    try {
      const result = await work();
      if (outages > 0) notices.notify('recovered', `${name} is complete: the storage works again.`);
      return result;
    } catch (error) {
      const isOutage = storageErrors.some((code) => hasCode(error, code));
      if (!(isOutage || hasCode(error, crashError)) || !patched(repeatSteps)) throw error;
      const message = messageOf(error);
      if (isOutage) {
        outages += 1;
        const notice = `${name} waits for the storage. ${message.replaceAll('\n', ' ')}`;
        // One message is enough for a storage that stays away.
        if (outages === 1) notices.notify('stalled', notice);
        await waitForStorage(plan, board, notice, backOff(outages, longestOutageWaitSeconds));
        continue;
      }
      failures.add(readTestFailure(error));
      const { crashes, waitSeconds } = failures;
      if (crashes >= triesWithoutProgress) throw tooManyCrashes(name, crashes, message);
      if (waitSeconds > 0) await sleep(waitSeconds * 1000);
    }
  }
}

/** Failures of a step since its last progress. Each image that a test finishes is progress. */
class FailureStreak {
  private outcomes: TestFailure['outcome'][] = [];
  private images = 0;

  add({ outcome, images }: TestFailure): void {
    if (images > this.images) this.outcomes = [];
    this.images = Math.max(images, this.images);
    this.outcomes.push(outcome);
  }

  /** A test that was stopped by SIGTERM has not crashed. */
  get crashes(): number {
    return this.outcomes.filter((outcome) => outcome !== 'preempted').length;
  }

  get waitSeconds(): number {
    return backOff(this.outcomes.length);
  }
}

const causeOf = (error: unknown): unknown => (error instanceof ActivityFailure ? error.cause : error);

const messageOf = (error: unknown): string => {
  const cause = causeOf(error);
  return cause instanceof Error ? cause.message : String(cause);
};

/** Reads the details of a failed test. Other steps have none, and are repeated as a whole. */
function readTestFailure(error: unknown): TestFailure {
  const cause = causeOf(error);
  const details = cause instanceof ApplicationFailure ? TestFailure.safeParse(cause.details?.[0]) : undefined;
  return details?.data ?? { outcome: 'crashed', images: 0 };
}

const tooManyCrashes = (name: string, count: number, message: string): ApplicationFailure =>
  codedFailure(
    'TrainerNoProgress',
    [
      `${name} failed ${count} times in a row without progress. ${message}`,
      'Then start the run again under the same name: it continues with this step.',
    ].join('\n'),
  );
