import { mkdir } from 'node:fs/promises';
import { runFolder } from '../../../configs/paths.ts';
import { writeFileAtomic } from '../../shared/files/atomic-file.ts';
import { createLiveRunReader } from './live-run.ts';
import { renderLiveFile } from './render-live.ts';

/** Where the report will be, how the run stands: written anew whenever it is asked for. Best effort: what fails is told and no more. */
export class LiveFile {
  private readonly home: string;
  private readonly runId: string;
  private readonly assertOurs: () => Promise<void>;
  private readonly onProblem: (error: unknown) => void;
  private writing: Promise<void> = Promise.resolve();
  private isAsked = false;

  /** @param assertOurs throws where another attempt has the say, and may have come as far as the report. */
  constructor(home: string, runId: string, assertOurs: () => Promise<void>, onProblem: (error: unknown) => void) {
    this.home = home;
    this.runId = runId;
    this.assertOurs = assertOurs;
    this.onProblem = onProblem;
  }

  /** Returns at once; several askings while one is being written become one. */
  rewrite(): void {
    if (this.isAsked) return;
    this.isAsked = true;
    this.writing = this.writing.then(() => this.write()).catch(this.onProblem);
  }

  /** From then on nothing more is written. */
  settled(): Promise<void> {
    return this.writing;
  }

  private async write(): Promise<void> {
    this.isAsked = false;
    // Read whole each time: once an epoch, that costs less than to remember it all.
    const live = await createLiveRunReader(this.home)(this.runId);
    if (live === undefined) return;
    const folder = runFolder(this.home, this.runId).report;
    await mkdir(folder, { recursive: true });
    await this.assertOurs();
    await writeFileAtomic(`${folder}/index.html`, renderLiveFile(live));
  }
}
