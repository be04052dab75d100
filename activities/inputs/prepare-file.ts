import type { CatalogFile } from '../../configs/schema/index.ts';
import { CodedError } from '../shared/errors/coded-error.ts';
import { addObject, findObject, type StoredObject } from '../shared/store/objects.ts';
import { downloadInto } from './download-into.ts';
import type { PreparationContext } from './preparation-context.ts';
import { findMutableSource } from './find-mutable-source.ts';
import type { MutableSource } from './mutable-source.ts';
import { findImport, recordImport, withImportLock } from './import-record.ts';
import { findRecordedDownload, recordDownload } from './recorded-download.ts';

/**
 * Returns a catalog file as a verified object of the store, and fetches it if needed. Without a published hash, the first
 * download records one that later downloads must match. A mutable source is inspected on each call.
 */
export async function prepareFile(file: CatalogFile, context: PreparationContext): Promise<StoredObject> {
  // A pinned plan also names the archive of a packed folder by its hash.
  const present = file.sha256 === null ? undefined : await findObject(context.home, file.sha256);
  if (present !== undefined) return { ...present, file: file.file };
  const source = findMutableSource(file, context);
  if (source === undefined) return downloadPublished(file, context);
  const { home, signal, onProgress } = context;
  const onWait = (): void =>
    onProgress({ what: file.file, note: `Waiting: another run is importing ${source.displayName}.` });
  return withImportLock({ home, url: source.url, signal, onWait }, () => importMutable(file, source, context));
}

async function downloadPublished(file: CatalogFile, context: PreparationContext): Promise<StoredObject> {
  const { home } = context;
  const recorded = file.sha256 === null ? await findRecordedDownload(home, file) : undefined;
  const present = recorded === undefined ? undefined : await findObject(home, recorded.sha256);
  if (present !== undefined) return { ...present, file: file.file };

  const { bytes, sha256 } = recorded ?? file;
  const expected = { bytes: bytes ?? file.bytes, sha256 };
  const { url, ...downloaded } = await downloadInto(file, expected, context);
  if (file.sha256 === null) await recordDownload(home, file, downloaded);
  return addObject(home, downloaded.path, {
    sha256: downloaded.sha256,
    name: file.file,
    origin: `fetched from ${url}`,
  });
}

async function importMutable(
  file: CatalogFile,
  source: MutableSource,
  context: PreparationContext,
): Promise<StoredObject> {
  const { home } = context;
  const { signature, importFile } = await source.inspect();
  const imported = await findImport(home, source.url, signature);
  const present = imported === undefined ? undefined : await findObject(home, imported);
  if (present !== undefined) return { ...present, file: file.file };

  const content = await importFile();
  if ((await source.inspect()).signature !== signature) {
    throw new CodedError('SourceChanged', `${source.displayName} changed while it was being read.`);
  }
  const origin = `${source.isFolder ? 'packed' : 'copied'} from ${source.displayName}`;
  const object = await addObject(home, content.path, { sha256: content.sha256, name: file.file, origin });
  await recordImport(home, source.url, signature, content.sha256);
  return object;
}
