import { errorCatalogue } from '../../configs/errors.ts';
import type { CatalogFile } from '../../configs/schema/index.ts';
import { CodedError } from '../shared/errors/coded-error.ts';
import { firstLine } from '../shared/download/sources/source-errors.ts';
import { findObject } from '../shared/store/objects.ts';
import type { PreparationContext } from './preparation-context.ts';
import { findMutableSource } from './find-mutable-source.ts';
import type { TransferSize } from './mutable-source.ts';
import { findImport } from './import-record.ts';

export interface MissingFile {
  readonly file: CatalogFile;
  /** Null where nobody knows before it is fetched. */
  readonly size: TransferSize | null;
  /** Why it cannot be had; null where nothing speaks against it. */
  readonly refusal: string | null;
}

/** A dry run does not wait longer for a bucket to answer; of a prefix that lists for longer the size stays unknown. */
const inspectTimeoutMs = 20_000;

/** What the store does not hold as it should be now. Own files are looked at; of others without a hash nobody can tell. */
export async function findMissing(files: readonly CatalogFile[], context: PreparationContext): Promise<MissingFile[]> {
  const signal = AbortSignal.any([context.signal, AbortSignal.timeout(inspectTimeoutMs)]);
  const missing = await Promise.all(
    files.map(async (file): Promise<MissingFile | undefined> => {
      try {
        const need = await findTransferSize(file, { ...context, signal });
        return need === 'nothing' ? undefined : { file, size: need, refusal: null };
      } catch (error) {
        context.signal.throwIfAborted();
        if (signal.aborted) return { file, size: null, refusal: null };
        if (!(error instanceof CodedError)) throw error;
        return { file, size: null, refusal: errorCatalogue[error.code].retryable ? null : formatRefusal(error) };
      }
    }),
  );
  return missing.filter((one) => one !== undefined);
}

async function findTransferSize(
  file: CatalogFile,
  context: PreparationContext,
): Promise<TransferSize | null | 'nothing'> {
  const { home } = context;
  const isStored = async (sha256: string | null | undefined) =>
    sha256 != null && (await findObject(home, sha256)) !== undefined;
  if (await isStored(file.sha256)) return 'nothing';
  const own = findMutableSource(file, context);
  if (own === undefined) return file.bytes === null ? null : { downloadBytes: file.bytes, diskBytes: file.bytes };
  const { signature, measure: need } = await own.inspect();
  return (await isStored(await findImport(home, own.url, signature))) ? 'nothing' : need();
}

/** Without what to do next, which a check says in a line of its own. */
const formatRefusal = (error: CodedError): string =>
  error.code === 'DatasetInvalid' ? (error.message.split('\nNext: ')[0] ?? '') : firstLine(error);
