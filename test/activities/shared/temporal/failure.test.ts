import { setTimeout as sleep } from 'node:timers/promises';
import { CancelledFailure } from '@temporalio/common';
import { expect, test } from 'vitest';
import { withCodedFailures } from '../../../../activities/shared/temporal/failure.ts';

test('withCodedFailures keeps a cancellation that a function of Node reports as AbortError', async () => {
  const cancellation = new AbortController();
  const { wait } = withCodedFailures({ wait: () => sleep(60_000, undefined, { signal: cancellation.signal }) });
  const waiting = wait();
  const reason = new CancelledFailure('CANCELLED');
  cancellation.abort(reason);
  await expect(waiting).rejects.toBe(reason);
});
