import { log } from '@temporalio/activity';
import { runFolder } from '../../../configs/paths.ts';
import type { RunFailure } from '../../../configs/schema/index.ts';
import { writeFailure } from '../../shared/run/failure-file.ts';
import { LiveFile } from './live-file.ts';

/** Creates the activity that records why a run failed: in its folder, for the page server, and in the page's file. */
export const createRecordFailure =
  ({ home }: { home: string }) =>
  async ({ runId, failure }: { runId: string; failure: RunFailure }): Promise<void> => {
    await writeFailure(runFolder(home, runId), failure);
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
  };
