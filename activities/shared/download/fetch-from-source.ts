import { CodedError } from '../errors/coded-error.ts';
import { formatVersion, type FileVersion } from './sources/file-version.ts';
import type { DownloadContext } from './download-context.ts';
import { openSource } from './sources/open-source.ts';
import { RangedFetch } from './ranged-fetch.ts';
import { firstLine, RangesUnusable, VersionChanged } from './sources/source-errors.ts';
import type { Source } from './sources/source.ts';

/** Adds to the part what it lacks, from one source. The content is not checked yet. */
export const fetchFromSource = async (url: string, fetching: DownloadContext): Promise<void> => {
  const { options: wanted, part, meter } = fetching;
  // Only a known hash can tell whether two mirrors hold the same file.
  if (wanted.sha256 === null && part.source?.url !== url) await part.discard();
  const total = wanted.bytes ?? part.source?.bytes;
  if (part.bytes > 0 && part.bytes === total) return;
  const source = openSource(url, wanted);
  meter.show({ source: source.displayUrl });
  try {
    await fetchOneVersion(url, source, fetching);
  } finally {
    source.close();
  }
};

/** A file that changes is begun anew once; a server that can't do ranges is asked for the whole. */
const fetchOneVersion = async (url: string, source: Source, fetching: DownloadContext): Promise<void> => {
  const { part, meter } = fetching;
  const versions: (FileVersion | null)[] = part.source?.url === url ? [part.source] : [];
  let expected: FileVersion | null = part.source?.url === url ? part.source : null;
  let whole = false;
  for (let changes = 0; ;) {
    const run = new RangedFetch(url, source, fetching, { whole, expected });
    try {
      return await run.finish();
    } catch (error) {
      fetching.options.signal.throwIfAborted();
      if (error instanceof RangesUnusable && !whole) {
        whole = true;
      } else if (error instanceof VersionChanged) {
        versions.push(error.version);
        changes += 1;
      } else {
        throw error;
      }
      await part.discard();
      if (changes > 1) throw changedTwice(source, versions);
      meter.note(firstLine(error));
      expected = error instanceof VersionChanged ? error.version : run.version;
    }
  }
};

const changedTwice = ({ displayUrl: shown }: Source, versions: readonly (FileVersion | null)[]): CodedError => {
  const list = versions.map((version) => (version === null ? 'another' : formatVersion(version))).join(', then ');
  return new CodedError('SourceChanged', `${shown} changed twice while it was fetched: ${list}.`);
};
