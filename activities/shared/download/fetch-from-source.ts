import { CodedError } from '../errors/coded-error.ts';
import { formatVersion, type FileVersion } from './sources/file-version.ts';
import type { DownloadContext } from './download-context.ts';
import { openSource } from './sources/open-source.ts';
import { RangedFetch } from './ranged-fetch.ts';
import { firstLine, RangesUnusable, VersionChanged } from './sources/source-errors.ts';
import type { Source } from './sources/source.ts';

/** Fetches the missing bytes of the part from one source, without verifying the hash. */
export const fetchFromSource = async (url: string, context: DownloadContext): Promise<void> => {
  const { options, part, meter } = context;
  // Without a known hash, bytes of two mirrors must not be mixed.
  if (options.sha256 === null && part.source?.url !== url) await part.discard();
  const total = options.bytes ?? part.source?.bytes;
  if (part.bytes > 0 && part.bytes === total) return;
  const source = openSource(url, options);
  meter.show({ source: source.displayUrl });
  try {
    await fetchOneVersion(url, source, context);
  } finally {
    source.close();
  }
};

/** Restarts once when the file changes, and without ranges when the server does not support them. */
const fetchOneVersion = async (url: string, source: Source, context: DownloadContext): Promise<void> => {
  const { part, meter } = context;
  const versions: (FileVersion | null)[] = part.source?.url === url ? [part.source] : [];
  let expected: FileVersion | null = part.source?.url === url ? part.source : null;
  let withoutRange = false;
  for (let changes = 0; ;) {
    const run = new RangedFetch(url, source, context, { withoutRange, expected });
    try {
      return await run.finish();
    } catch (error) {
      context.options.signal.throwIfAborted();
      if (error instanceof RangesUnusable && !withoutRange) {
        withoutRange = true;
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

const changedTwice = ({ displayUrl }: Source, versions: readonly (FileVersion | null)[]): CodedError => {
  const list = versions.map((version) => (version === null ? 'another' : formatVersion(version))).join(', then ');
  return new CodedError('SourceChanged', `${displayUrl} changed twice during the download: ${list}.`);
};
