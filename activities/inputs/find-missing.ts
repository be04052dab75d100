import { errorCatalogue } from '../../configs/errors.ts';
import type { CatalogFile } from '../../configs/schema/index.ts';
import { CodedError } from '../shared/errors/coded-error.ts';
import { firstLine } from '../shared/download/sources/source-errors.ts';
import { findObject } from '../shared/store/objects.ts';
import type { PreparationContext } from './preparation-context.ts';
import { findMutableSource } from './find-mutable-source.ts';
import type { TransferSize } from './mutable-source.ts';
import { findImport } from './import-record.ts';
import { findRecordedDownload } from './recorded-download.ts';

export interface MissingFile {
  readonly file: CatalogFile;
  /** Null when the size is unknown before the download. */
  readonly size: TransferSize | null;
  /** Reason why the file cannot be fetched; null when none is known. */
  readonly refusal: string | null;
}

/** Limit of a dry run for inspecting sources. The size of a prefix that takes longer to list stays unknown. */
const inspectTimeoutMs = 20_000;

/** Finds the files that the store lacks. Mutable sources are inspected. */
export async function findMissing(files: readonly CatalogFile[], context: PreparationContext): Promise<MissingFile[]> {
  const signal = AbortSignal.any([context.signal, AbortSignal.timeout(inspectTimeoutMs)]);
  const missing = await Promise.all(
    files.map(async (file): Promise<MissingFile | undefined> => {
      try {
        const size = await findTransferSize(file, { ...context, signal });
        return size === 'stored' ? undefined : { file, size, refusal: null };
      } catch (error) {
        context.signal.throwIfAborted();
        if (signal.aborted) return { file, size: null, refusal: null };
        if (!(error instanceof CodedError)) throw error;
        return { file, size: null, refusal: errorCatalogue[error.code].retryable ? null : formatRefusal(error) };
      }
    }),
  );
  return missing.filter((entry) => entry !== undefined);
}

async function findTransferSize(
  file: CatalogFile,
  context: PreparationContext,
): Promise<TransferSize | null | 'stored'> {
  const { home } = context;
  const isStored = async (sha256: string | null | undefined) =>
    sha256 != null && (await findObject(home, sha256)) !== undefined;
  if (await isStored(file.sha256)) return 'stored';
  const source = findMutableSource(file, context);
  if (source === undefined) {
    // The first download of a file without a published hash recorded its hash and size.
    const recorded = file.sha256 === null ? await findRecordedDownload(home, file) : undefined;
    if (await isStored(recorded?.sha256)) return 'stored';
    const bytes = file.bytes ?? recorded?.bytes ?? null;
    return bytes === null ? null : { downloadBytes: bytes, diskBytes: bytes };
  }
  const { signature, measure: need } = await source.inspect();
  return (await isStored(await findImport(home, source.url, signature))) ? 'stored' : need();
}

/** Formats an error without its remedy, which a check reports separately. */
const formatRefusal = (error: CodedError): string =>
  error.code === 'DatasetInvalid' ? (error.message.split('\nNext: ')[0] ?? '') : firstLine(error);
