import type { Worker } from '@temporalio/worker';

const checkMs = 1_000;

/**
 * Ends the process, so that its supervisor starts another one, if a worker leaves the state RUNNING and does not stop
 * within a limit. After an internal error, for example of a workflow task that an overloaded machine ran too slowly, the
 * SDK stops its worker, but can wait forever for that task.
 * @returns a function that ends the watch.
 */
export function exitWhenStuck(
  workers: readonly Pick<Worker, 'getState'>[],
  limitMs: number,
  exit: (reason: string) => void = exitWithError,
): () => void {
  let since: number | undefined;
  const timer = setInterval(
    () => {
      if (workers.every((worker) => ['INITIALIZED', 'RUNNING'].includes(worker.getState()))) return;
      since ??= performance.now();
      if (performance.now() - since < limitMs) return;
      clearInterval(timer);
      exit(`The worker has not stopped within ${limitMs / 1000} s, so its process ends.`);
    },
    Math.min(checkMs, limitMs),
  );
  return () => {
    clearInterval(timer);
  };
}

function exitWithError(reason: string): void {
  console.error(reason);
  process.exit(1);
}
