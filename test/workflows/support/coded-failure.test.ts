import { ActivityFailure, ApplicationFailure, CancelledFailure, RetryState, TimeoutFailure } from '@temporalio/common';
import { expect, test } from 'vitest';
import { withTimeoutCode } from '../../../workflows/support/coded-failure.ts';

const activityFailure = (cause: Error): ActivityFailure =>
  new ActivityFailure('Activity task failed', 'writeReport', '7', RetryState.MAXIMUM_ATTEMPTS_REACHED, 'worker', cause);

test.each(['HEARTBEAT', 'START_TO_CLOSE', 'SCHEDULE_TO_START', 'SCHEDULE_TO_CLOSE'] as const)(
  'withTimeoutCode turns the timeout %s into WorkerLost, which names the activity and the next step',
  (type) => {
    const coded = withTimeoutCode(activityFailure(new TimeoutFailure('activity timeout', undefined, type)));
    expect(coded).toBeInstanceOf(ApplicationFailure);
    expect(coded).toMatchObject({ type: 'WorkerLost', nonRetryable: true });
    expect((coded as Error).message).toMatch(
      /^writeReport timed out on every try: activity timeout\. Check that its worker/,
    );
  },
);

test('withTimeoutCode returns other errors unchanged', () => {
  const coded = activityFailure(ApplicationFailure.nonRetryable('An image is damaged.', 'DatasetInvalid'));
  const others = [
    coded,
    activityFailure(new CancelledFailure('cancelled')),
    new TimeoutFailure('of a child', undefined, 'START_TO_CLOSE'),
    'text',
  ];
  for (const error of others) expect(withTimeoutCode(error)).toBe(error);
});
