import { log } from '@temporalio/activity';
import { runFolder } from '../../../configs/paths.ts';
import type { RunCancellation, RunFailure } from '../../../configs/schema/index.ts';
import { writeCancellation, writeFailure } from '../../shared/run/run-end-files.ts';
import { LiveFile } from './live-file.ts';

/** Creates the activity that records why a run failed: in its folder, for the page server, and in the page's file. */
export const createRecordFailure =
  ({ home }: { home: string }) =>
  async ({ runId, failure }: { runId: string; failure: RunFailure }): Promise<void> => {
    await writeFailure(runFolder(home, runId), failure);
    await rewritePage(home, runId);
  };

/** Creates the activity that records that a run was cancelled, in the same places. */
export const createRecordCancellation =
  ({ home }: { home: string }) =>
  async ({ runId, cancellation }: { runId: string; cancellation: RunCancellation }): Promise<void> => {
    await writeCancellation(runFolder(home, runId), cancellation);
    await rewritePage(home, runId);
  };

async function rewritePage(home: string, runId: string): Promise<void> {
  const page = new LiveFile(
    home,
    runId,
    () => Promise.resolve(), // nothing else writes the page of a run that has ended
    (error) => {
      log.warn(`${runId}: could not write the run's page`, { error });
    },
  );
  page.rewrite();
  await page.settled();
}
