import { CancellationScope, isCancellation, sleep } from '@temporalio/workflow';
import type { Attempt, HostResult } from '../../configs/schema/index.ts';
import { onHost, queuePriority, training } from '../support/policies.ts';
import { lostWorkerCause, runAttempt, unreportedAttempt, type AttemptRequest } from './run-attempt.ts';
import type { StatusBoard } from './status-board.ts';

/** Before a host whose worker was lost is asked again. */
const rejoinMs = 1_000;

/**
 * One attempt on several hosts. The first leads and tells how it went; when its part has ended the others end theirs.
 * The supervisors of all parts end together by themselves; what only the workflow can see is that one of them is gone.
 */
export async function trainTogether(request: AttemptRequest, hosts: string[], board: StatusBoard): Promise<Attempt> {
  const startedAt = Date.now() / 1000;
  const own = CancellationScope.current();
  const [leading, joining] = [new CancellationScope(), new CancellationScope()];
  const course: Course = { isOver: false, missing: undefined };
  const led = leading.run(() => runAttempt(request, board));
  const joined = joining.run(() =>
    Promise.all(
      hosts.slice(1).map(async (host) => {
        const { outcome: how, cause } = await join(request, host, course);
        if (how !== 'lost' && how !== 'unstarted') return;
        course.missing ??= `${host}: ${cause ?? how}`;
        leading.cancel();
      }),
    ),
  );
  // Caught at once, for it may never be awaited: the parts of an attempt whose leader was lost are the next one's.
  const settled = joined.catch(() => leading.cancel());
  const endOthers = async () => {
    course.isOver = true;
    joining.cancel();
    await settled;
  };
  let attempt: Attempt | undefined;
  try {
    attempt = await led;
  } catch (error) {
    await endOthers();
    // Unless we ended it, because of a part that failed before the leader could tell anything.
    if (!isCancellation(error) || own.consideredCancelled) throw error;
  }
  course.isOver = true;
  if (attempt?.outcome === 'worker-lost') return attempt;
  await endOthers();
  try {
    await joined;
  } catch (error) {
    if (!isCancellation(error)) throw error;
  }
  return describe(
    attempt ?? { ...unreportedAttempt(request.attempt, startedAt, board), outcome: 'preempted' },
    course,
    own,
  );
}

/** What is known beyond what the leader tells. */
interface Course {
  isOver: boolean;
  /** The first part of which nothing is left. */
  missing: string | undefined;
}

/** The leader, stopped because a part was missing, may have been able to save; a preemption is it not. */
const describe = (attempt: Attempt, { missing }: Course, own: CancellationScope): Attempt =>
  attempt.outcome !== 'preempted' || missing === undefined || own.consideredCancelled
    ? attempt
    : { ...attempt, outcome: 'crashed', cause: missing };

/** A host whose worker was lost is asked again: its trainer may live, and is then adopted. */
async function join(
  { plan, attempt, queuedSince, priority }: AttemptRequest,
  host: string,
  course: Course,
): Promise<HostResult> {
  const options = {
    ...onHost(host),
    priority: queuePriority(priority),
    summary: `attempt ${attempt}, the part of ${host}`,
  };
  for (;;) {
    try {
      const request = { plan, host, attempt, ...(queuedSince === undefined ? {} : { queuedSince }), priority };
      return await training.joinTraining.executeWithOptions(options, [request]);
    } catch (error) {
      const cause = lostWorkerCause(error);
      if (cause === undefined) throw error;
      if (course.isOver) return { outcome: 'preempted', cause };
    }
    await sleep(rejoinMs);
  }
}
