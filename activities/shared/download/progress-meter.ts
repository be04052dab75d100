import type { DownloadProgress } from './sources/download-request.ts';

const intervalMs = 250;
const windowMs = 5_000;
/** Limits the notes of a download with many errors, because they go to the history. */
const maxNotes = 50;

/** Reports the progress of a download several times per second. */
export class ProgressMeter {
  readonly notes: string[] = [];
  readonly #onProgress: (progress: DownloadProgress) => void;
  #samples: { atMs: number; received: number }[] = [{ atMs: performance.now(), received: 0 }];
  #received = 0;
  #state: { bytes: () => number; totalBytes: number | null; source: string | null };
  #timer: NodeJS.Timeout | undefined;

  constructor(totalBytes: number | null, onProgress: (progress: DownloadProgress) => void) {
    this.#state = { bytes: () => 0, totalBytes, source: null };
    this.#onProgress = onProgress;
  }

  start(): void {
    this.#timer = setInterval(() => this.report(), intervalMs);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Updates what the following reports show. */
  show(state: { bytes?: () => number; totalBytes?: number | null; source?: string | null }): void {
    this.#state = { ...this.#state, ...state };
  }

  received(bytes: number): void {
    this.#received += bytes;
  }

  note(text: string): void {
    if (this.notes.length < maxNotes) this.notes.push(text);
    else this.notes[maxNotes - 1] = text;
  }

  report(): void {
    const { totalBytes, source } = this.#state;
    const bytes = this.#state.bytes();
    const bytesPerSecond = this.#rate();
    const left = totalBytes === null ? null : totalBytes - bytes;
    const etaSeconds = left === null || bytesPerSecond === 0 ? null : Math.ceil(left / bytesPerSecond);
    this.#onProgress({ bytes, totalBytes, bytesPerSecond, etaSeconds, source, note: this.notes.at(-1) ?? null });
  }

  #rate(): number {
    const atMs = performance.now();
    this.#samples = [
      ...this.#samples.filter((sample) => sample.atMs > atMs - windowMs),
      { atMs, received: this.#received },
    ];
    const [oldest] = this.#samples;
    if (oldest === undefined || oldest.atMs === atMs) return 0;
    return Math.round(((this.#received - oldest.received) / (atMs - oldest.atMs)) * 1000);
  }
}
