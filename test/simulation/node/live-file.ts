/** Replaces activities/pages/runs/live-file.ts, because rendering a page takes longer than the rest of a simulation. */
export class LiveFile {
  rewrite(): void {}

  settled(): Promise<void> {
    return Promise.resolve();
  }
}
