import { CancellationScope, isCancellation, sleep, workflowInfo } from '@temporalio/workflow';
import type { Notification, NotifyEvent, NotifyPolicy } from '../../configs/schema/index.ts';
import { summarizeFailure } from './summarize-failure.ts';
import { notifying } from './policies.ts';

/** Limit of the wait for pending notifications at the end of a workflow. */
const settleTimeout = '10 seconds';
const maxTextLength = 2000;

export interface Notifier {
  /** Whether the input names a notification target. */
  readonly isOn: boolean;
  /** Sends a notification in the background. Never fails. */
  notify: (event: NotifyEvent, text: string) => void;
  /** Waits for pending notifications, for 10 seconds at most. Call it before a workflow ends. */
  settle: () => Promise<void>;
}

/** Creates the notifier of a run, sweep or model. */
export function notifier({ name, notify = [] }: { name: string; notify?: NotifyPolicy | undefined }): Notifier {
  const isOn = notify.length > 0;
  const { workflowId, runId } = workflowInfo();
  const pending = new Set<Promise<void>>();
  let sequence = 0;
  const enqueue = (event: NotifyEvent, text: string) => {
    const targets = isOn ? notify.filter(({ on }) => on === undefined || on.includes(event)) : [];
    if (targets.length === 0) return;
    const notification: Notification = {
      v: 1,
      id: `${workflowId}/${runId}/${(sequence += 1)}`,
      event,
      at: Date.now() / 1000,
      name,
      workflowId,
      text: text.slice(0, maxTextLength),
    };
    for (const { to, ref } of targets) {
      const sent = send({ target: { to, ref }, notification }).finally(() => pending.delete(sent));
      pending.add(sent);
    }
  };
  const settle = () =>
    CancellationScope.nonCancellable(async () => {
      if (pending.size > 0)
        await Promise.race([Promise.all(pending), sleep(settleTimeout, { summary: 'pending notifications' })]);
    });
  return { isOn, notify: enqueue, settle };
}

/** Sends a notification, also from a cancelled run. A failure is recorded in the history only. */
async function send(request: Parameters<typeof notifying.notify>[0]): Promise<void> {
  try {
    await CancellationScope.nonCancellable(() => notifying.notify(request));
  } catch {
    // The failed activity in the history names the cause.
  }
}

/** Runs work and notifies about its start and its end. A cancellation sends nothing. */
export async function withNotifications<T>(
  { notify, settle }: Notifier,
  title: string,
  format: (result: T) => string,
  work: () => Promise<T>,
): Promise<T> {
  notify('started', title);
  try {
    const result = await work();
    notify('done', format(result));
    return result;
  } catch (error) {
    const { code, message } = summarizeFailure(error);
    if (!isCancellation(error)) notify('failed', `${code}: ${message}`);
    throw error;
  } finally {
    await settle();
  }
}
