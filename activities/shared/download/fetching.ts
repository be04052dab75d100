import type { PartFile } from './parts/part-file.ts';
import type { ProgressMeter } from './progress-meter.ts';
import type { WantedFile } from './sources/wanted-file.ts';

/** What one download works with, from its first mirror to its last. */
export interface Fetching {
  readonly wanted: WantedFile;
  readonly part: PartFile;
  readonly meter: ProgressMeter;
}
