import { expect, test } from 'vitest';
import { runWorker } from '../../workers/run-worker.ts';
import '../helpers/quiet-runtime.ts';

test.each([
  ['no-such-host.invalid:7233', 'its name cannot be resolved. Check the address'],
  ['127.0.0.1:9', 'nothing listens at this port (ECONNREFUSED). Check the address'],
])('runWorker says what to check when no server responds at %s', async (address, why) => {
  const running = runWorker({ address, namespace: 'default' }, 'any', { taskQueue: 'none' });
  await expect(running).rejects.toThrow(`Cannot connect to Temporal at ${address}, namespace default, no TLS: ${why}`);
});
