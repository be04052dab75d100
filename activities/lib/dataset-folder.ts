import { mkdir, rename, rm } from 'node:fs/promises';
import { z } from 'zod';
import { extractArchive } from './archive.ts';
import { readJson } from './json-file.ts';
import { writeFileWhole } from './whole-file.ts';
import type { CatalogArchive } from '../../configs/schema.ts';

const DoneMarker = z.object({ v: z.literal(1), contentKey: z.string(), files: z.int(), bytes: z.int() });
export type DoneMarker = z.infer<typeof DoneMarker>;

const markerPath = (folder: string) => `${folder}/.everswin-done.json`;

/** What a whole data set folder says of itself; undefined while it is absent, half made or of other content. */
export async function readDoneMarker(folder: string, contentKey: string): Promise<DoneMarker | undefined> {
  const marker = await readJson(markerPath(folder), DoneMarker);
  return marker?.contentKey === contentKey ? marker : undefined;
}

export interface ExtractionProgress {
  archive: string;
  files: number;
}

/** Extracts verified archives side by side into one folder; it gets its name, and its marker, only when it is whole. */
export async function extractDataset(
  archives: { archive: CatalogArchive; path: string }[],
  folder: string,
  contentKey: string,
  onProgress: (progress: ExtractionProgress) => void,
  signal: AbortSignal,
): Promise<DoneMarker> {
  const partial = `${folder}.partial`;
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { recursive: true });
  const marker: DoneMarker = { v: 1, contentKey, files: 0, bytes: 0 };
  for (const { archive, path } of archives) {
    const report = (files: number) => onProgress({ archive: archive.file, files });
    const done = await extractArchive({
      archive: path,
      into: partial,
      files: archive.files,
      onProgress: report,
      signal,
    });
    marker.files += done.files;
    marker.bytes += done.bytes;
  }
  await writeFileWhole(markerPath(partial), JSON.stringify(marker));
  await rm(folder, { recursive: true, force: true });
  await rename(partial, folder);
  return marker;
}
