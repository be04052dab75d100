import type { PartFile } from './parts/part-file.ts';
import type { ProgressMeter } from './progress-meter.ts';
import type { FetchOptions } from './sources/download-request.ts';

/** State that one download shares among its mirrors. */
export interface DownloadContext {
  readonly options: FetchOptions;
  readonly part: PartFile;
  readonly meter: ProgressMeter;
}
