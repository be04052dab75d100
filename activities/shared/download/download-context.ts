import type { PartFile } from './parts/part-file.ts';
import type { ProgressMeter } from './progress-meter.ts';
import type { FetchOptions } from './sources/download-request.ts';

/** What one download works with, from its first mirror to its last. */
export interface DownloadContext {
  readonly options: FetchOptions;
  readonly part: PartFile;
  readonly meter: ProgressMeter;
}
