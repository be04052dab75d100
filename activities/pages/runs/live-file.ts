import { mkdir } from 'node:fs/promises';
import { runFolder } from '../../../configs/paths.ts';
import { writeFileAtomic } from '../../shared/files/atomic-file.ts';
import { createLiveRunReader, type ReadLiveRun } from './live-run.ts';
import { renderLiveFile } from './render-live.ts';

/** Writes the live page of a run to the path of its future report. Best effort: failures are only reported. */
export class LiveFile {
  private readonly home: string;
  private readonly readRun: ReadLiveRun;
  private readonly runId: string;
  private readonly assertOurs: () => Promise<void>;
  private readonly onProblem: (error: unknown) => void;
  private writing: Promise<void> = Promise.resolve();
  private isScheduled = false;

  /** @param assertOurs throws if another attempt owns the run and may already have written the report. */
  constructor(home: string, runId: string, assertOurs: () => Promise<void>, onProblem: (error: unknown) => void) {
    this.home = home;
    this.readRun = createLiveRunReader(home);
    this.runId = runId;
    this.assertOurs = assertOurs;
    this.onProblem = onProblem;
  }

  /** Schedules a write and returns immediately. Requests during a write are merged into one. */
  rewrite(): void {
    if (this.isScheduled) return;
    this.isScheduled = true;
    this.writing = this.writing.then(() => this.write()).catch(this.onProblem);
  }

  /** Resolves when all scheduled writes are done. */
  settled(): Promise<void> {
    return this.writing;
  }

  private async write(): Promise<void> {
    this.isScheduled = false;
    const live = await this.readRun(this.runId);
    if (live === undefined || live.isReported) return; // the report has the same path
    const folder = runFolder(this.home, this.runId).report;
    await mkdir(folder, { recursive: true });
    await this.assertOurs();
    await writeFileAtomic(`${folder}/index.html`, renderLiveFile(live));
  }
}
