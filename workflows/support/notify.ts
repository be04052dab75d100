import { CancellationScope, isCancellation, sleep, workflowInfo } from '@temporalio/workflow';
import type { Notification, NotifyEvent, NotifyPolicy } from '../../configs/schema/index.ts';
import { summarizeFailure } from './summarize-failure.ts';
import { notifying } from './policies.ts';

/** A message that is still on its way then is given up: the workflow's end waits for nobody longer. */
const patience = '10 seconds';
const longestText = 2000;

export interface Notifier {
  /** Whether there is anybody to tell. */
  readonly isOn: boolean;
  /** Best effort: returns at once, never fails, and delays nothing. */
  notify: (event: NotifyEvent, text: string) => void;
  /** Before a workflow ends: waits for what is on its way, for a short while. */
  settle: () => Promise<void>;
}

/** Tells those whom the input names, of the run, sweep or model of that name. */
export function notifier({ name, notify = [] }: { name: string; notify?: NotifyPolicy | undefined }): Notifier {
  const isOn = notify.length > 0;
  const { workflowId, runId } = workflowInfo();
  const onTheirWay = new Set<Promise<void>>();
  let sequence = 0;
  const tell = (event: NotifyEvent, text: string) => {
    const targets = isOn ? notify.filter(({ on }) => on === undefined || on.includes(event)) : [];
    if (targets.length === 0) return;
    const notification: Notification = {
      v: 1,
      id: `${workflowId}/${runId}/${(sequence += 1)}`,
      event,
      at: Date.now() / 1000,
      name,
      workflowId,
      text: text.slice(0, longestText),
    };
    for (const { to, ref } of targets) {
      const sent = send({ target: { to, ref }, notification }).finally(() => onTheirWay.delete(sent));
      onTheirWay.add(sent);
    }
  };
  const settle = () =>
    CancellationScope.nonCancellable(async () => {
      if (onTheirWay.size > 0) await Promise.race([Promise.all(onTheirWay), sleep(patience)]);
    });
  return { isOn, notify: tell, settle };
}

/** A cancelled run may still tell; a message that is refused stands in the history and nowhere else. */
async function send(request: Parameters<typeof notifying.notify>[0]): Promise<void> {
  const { event, name } = request.notification;
  const options = { summary: `${name}: ${event} → ${request.target.to} ${request.target.ref}` };
  try {
    await CancellationScope.nonCancellable(() => notifying.notify.executeWithOptions(options, [request]));
  } catch {
    // The activity says why.
  }
}

/** Tells how some work begins and ends. A person who cancels knows of it. */
export async function withNotifications<T>(
  { notify: tell, settle }: Notifier,
  begins: string,
  describe: (result: T) => string,
  work: () => Promise<T>,
): Promise<T> {
  tell('started', begins);
  try {
    const result = await work();
    tell('done', describe(result));
    return result;
  } catch (error) {
    const { code, message } = summarizeFailure(error);
    if (!isCancellation(error)) tell('failed', `${code}: ${message}`);
    throw error;
  } finally {
    await settle();
  }
}
