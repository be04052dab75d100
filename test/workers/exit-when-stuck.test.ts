import { expect, test } from 'vitest';
import { exitWhenStuck } from '../../workers/exit-when-stuck.ts';

type State = ReturnType<Parameters<typeof exitWhenStuck>[0][number]['getState']>;

test('exitWhenStuck ends the process when a worker drains without an end, and not while all run', async () => {
  const states: State[] = ['RUNNING', 'RUNNING'];
  let running = true;
  const reason = new Promise<string>((resolve) => {
    const workers = [0, 1].map((index) => ({ getState: () => states[index] ?? 'STOPPED' }));
    exitWhenStuck(workers, 20, (text) => {
      expect(running).toBe(false);
      resolve(text);
    });
  });
  await new Promise((resolve) => setTimeout(resolve, 100)); // several checks
  running = false;
  states[1] = 'DRAINING';
  expect(await reason).toBe('The worker has not stopped within 0.02 s, so its process ends.');
});
