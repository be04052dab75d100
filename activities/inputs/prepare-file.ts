import { homeFolders } from '../../configs/paths.ts';
import type { CatalogFile } from '../../configs/schema/index.ts';
import { CodedError } from '../shared/errors/coded-error.ts';
import { contentKey } from '../shared/steps/content-key.ts';
import { findRecordedHash, recordHash } from '../shared/download/recorded-hash.ts';
import { addObject, findObject, type StoredObject } from '../shared/store/objects.ts';
import { downloadInto } from './download-into.ts';
import type { PreparationContext } from './preparation-context.ts';
import { findMutableSource } from './find-mutable-source.ts';
import type { MutableSource } from './mutable-source.ts';
import { findImport, recordImport, withImportLock } from './import-record.ts';

/**
 * A file of the catalog as an object of the store, its hash checked. Where nobody publishes a hash, the first download
 * records it and later ones must match; files of the user's own, on a disk or in a bucket, are looked at anew each time.
 */
export async function prepareFile(wanted: CatalogFile, context: PreparationContext): Promise<StoredObject> {
  // Also a folder of one's own, once a plan is pinned to what was packed of it.
  const present = wanted.sha256 === null ? undefined : await findObject(context.home, wanted.sha256);
  if (present !== undefined) return { ...present, file: wanted.file };
  const own = findMutableSource(wanted, context);
  if (own === undefined) return downloadPublished(wanted, context);
  const { home, signal, onProgress } = context;
  const onWait = (): void =>
    onProgress({ what: wanted.file, note: `Somebody else takes ${own.displayName}: waiting.` });
  return withImportLock({ home, url: own.url, signal, onWait }, () => importMutable(wanted, own, context));
}

async function downloadPublished(wanted: CatalogFile, context: PreparationContext): Promise<StoredObject> {
  const { home } = context;
  const folder = homeFolders(home).recordedHashes;
  const record = `${wanted.file}-${contentKey(wanted.urls).slice(0, 12)}`;
  const recorded = wanted.sha256 === null ? await findRecordedHash(folder, record) : undefined;
  const present = recorded === undefined ? undefined : await findObject(home, recorded.sha256);
  if (present !== undefined) return { ...present, file: wanted.file };

  const { bytes, sha256 } = recorded ?? wanted;
  const expected = { bytes: bytes ?? wanted.bytes, sha256 };
  const { url, ...got } = await downloadInto(wanted, expected, context);
  if (wanted.sha256 === null) await recordHash(folder, record, got);
  return addObject(home, got.path, { sha256: got.sha256, name: wanted.file, origin: `fetched from ${url}` });
}

async function importMutable(
  wanted: CatalogFile,
  own: MutableSource,
  context: PreparationContext,
): Promise<StoredObject> {
  const { home } = context;
  const { signature, importFile } = await own.inspect();
  const taken = await findImport(home, own.url, signature);
  const present = taken === undefined ? undefined : await findObject(home, taken);
  if (present !== undefined) return { ...present, file: wanted.file };

  const got = await importFile();
  if ((await own.inspect()).signature !== signature) {
    throw new CodedError('SourceChanged', `${own.displayName} was changed while it was read.`);
  }
  const origin = `${own.isFolder ? 'packed' : 'copied'} from ${own.displayName}`;
  const object = await addObject(home, got.path, { sha256: got.sha256, name: wanted.file, origin });
  await recordImport(home, own.url, signature, got.sha256);
  return object;
}
