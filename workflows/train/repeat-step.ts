import { ActivityFailure, ApplicationFailure, createEventGroup, patched, sleep } from '@temporalio/workflow';
import { TestFailure } from '../../configs/schema/index.ts';
import { codedFailure, hasCode } from '../support/coded-failure.ts';
import type { Notifier } from '../support/notify.ts';
import { crashError, storageErrors, storeError } from '../support/policies.ts';
import { backOff, longestOutageWaitSeconds, triesWithoutProgress } from './decide.ts';
import { repeatSteps, waitForStore } from './patches.ts';

/** The workflow that runs steps, as they see it. */
export interface StepHost {
  notices: Notifier;
  /** Shows what a step waits for; null clears it. */
  showNotice: (notice: string | null) => void;
  /** Shows a notice until the storage works. Without it, the next try shows whether the storage works. */
  waitForStorage?: (notice: string, seconds: number) => Promise<void>;
}

/**
 * Repeats a step until it succeeds. A storage or an artifact store that does not work is waited for, with a notice and
 * without a limit. Crashes in a row without progress end the run; Temporal's retries would repeat them for hours. The
 * events of all tries form a group of the history.
 * @param name of the step in messages.
 */
export const repeatStep = <T>(host: StepHost, name: string, work: () => Promise<T>): Promise<T> =>
  createEventGroup(name).withScope(() => tryUntilComplete(host, name, work));

async function tryUntilComplete<T>(host: StepHost, name: string, work: () => Promise<T>): Promise<T> {
  const failures = new FailureStreak();
  const outages = new OutageNotice(host, name);
  for (;;) {
    try {
      const result = await work();
      outages.end(`${name} is complete`);
      return result;
    } catch (error) {
      const outage = findOutage(error);
      if (outage !== undefined) {
        await outages.wait(outage, messageOf(error));
        continue;
      }
      outages.clear();
      if (!hasCode(error, crashError) || !patched(repeatSteps)) throw error;
      failures.add(readTestFailure(error));
      const { crashes, waitSeconds } = failures;
      if (crashes >= triesWithoutProgress) throw tooManyCrashes(name, crashes, messageOf(error));
      await pause(waitSeconds, `${name} runs again`);
    }
  }
}

type Outage = 'storage' | 'artifact store';

/** Returns what is not available; undefined for an error of another kind. */
function findOutage(error: unknown): Outage | undefined {
  if (storageErrors.some((code) => hasCode(error, code))) return patched(repeatSteps) ? 'storage' : undefined;
  return hasCode(error, storeError) && patched(waitForStore) ? 'artifact store' : undefined;
}

/** Shows what a step waits for, and sends one notification for an outage however long it lasts. */
class OutageNotice {
  private readonly host: StepHost;
  private readonly name: string;
  private outages = 0;
  private isShown = false;

  constructor(host: StepHost, name: string) {
    this.host = host;
    this.name = name;
  }

  /** Waits before the next try. The notice of an artifact store stays meanwhile, because a try can take a minute. */
  async wait(outage: Outage, message: string): Promise<void> {
    const { notices, showNotice, waitForStorage } = this.host;
    this.outages += 1;
    const notice = `${this.name} waits for the ${outage}. ${message.replaceAll('\n', ' ')}`;
    if (this.outages === 1) notices.notify('stalled', notice);
    const seconds = backOff(this.outages, longestOutageWaitSeconds);
    if (outage === 'storage' && waitForStorage !== undefined) return waitForStorage(notice, seconds);
    showNotice(notice);
    this.isShown = true;
    await pause(seconds, `${this.name} waits for the ${outage}`);
  }

  clear(): void {
    if (this.isShown) this.host.showNotice(null);
    this.isShown = false;
  }

  end(message: string): void {
    this.clear();
    if (this.outages > 0) this.host.notices.notify('recovered', `${message}: the storage works again.`);
  }
}

const pause = async (seconds: number, summary: string): Promise<void> => {
  if (seconds > 0) await sleep(seconds * 1000, { summary });
};

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
