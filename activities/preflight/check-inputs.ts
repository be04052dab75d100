import type { CatalogFile, Check, RunPlan } from '../../configs/schema/index.ts';
import { startingWeights } from '../../configs/schema/plan-weights.ts';
import { formatBytes } from '../shared/summary/format-bytes.ts';
import type { MissingFile } from '../inputs/find-missing.ts';

/** Finds the files that the store lacks. */
export type FindMissing = (files: readonly CatalogFile[]) => Promise<MissingFile[]>;

/** Checks which data and weights are stored, which must be downloaded, and which are unavailable. */
export async function checkInputs(
  findMissing: FindMissing,
  { dataset, weights }: Pick<RunPlan, 'dataset' | 'weights'>,
): Promise<Check[]> {
  const { id, source } = startingWeights(weights);
  return [
    checkFiles('data', dataset.id, dataset.archives, await findMissing(dataset.archives)),
    checkFiles('weights', id, [source], await findMissing([source])),
    ...(dataset.masks === undefined ? [] : [masksFromBoxes]),
  ];
}

const masksFromBoxes: Check = {
  name: 'masks',
  verdict: 'ok',
  message: 'made from boxes where objects have no outline: mask AP measures boxes there',
  remedy: null,
};

function checkFiles(name: string, id: string, files: readonly CatalogFile[], missing: readonly MissingFile[]): Check {
  const refusals = missing.flatMap(({ refusal }) => refusal?.replace(/\.$/, '') ?? []);
  if (refusals.length > 0) {
    // configs/catalog.json holds no local paths.
    const isLocal = missing.every((one) => one.refusal === null || transferOf(one) !== 'to download');
    const place = isLocal ? 'their paths in the input' : `the URLs of ${id} in the input or in configs/catalog.json`;
    const remedy = `Fix the files, or correct ${place}.`;
    return { name, verdict: 'error', message: `${id}: ${refusals.join('; ')}`, remedy };
  }
  const unknown = missing.filter(({ size }) => size === null).map(({ file }) => file.file);
  const rest = unknown.length === 0 ? '' : `, plus ${unknown.join(', ')} of unknown size`;
  const sizes = groupByTransfer(missing).map(([transfer, group]) => `${formatBytes(sumBytes(group))} ${transfer}`);
  const message =
    missing.length === 0
      ? `${id}: ${files.length === 1 ? 'its file is' : `all ${files.length} files are`} stored`
      : `${id}: ${sizes.join(', ')} in ${files.length === 1 ? '1 file' : `${missing.length} of ${files.length} files`}${rest}`;
  return { name, verdict: 'ok', message, remedy: null };
}

const sumBytes = (files: readonly MissingFile[]): number =>
  files.reduce((sum, { size }) => sum + (size?.downloadBytes ?? 0), 0);

/** Groups missing files by what the run does with them. */
export const groupByTransfer = (missing: readonly MissingFile[]): [Transfer, MissingFile[]][] =>
  transfers
    .map((transfer): [Transfer, MissingFile[]] => [transfer, missing.filter((one) => transferOf(one) === transfer)])
    .filter(([, group]) => group.length > 0);

const transfers = ['to copy', 'to pack', 'to download'] as const;
type Transfer = (typeof transfers)[number];

/** Local files are copied to the store, and the content of local folders is packed into an archive. */
function transferOf({ file: { urls } }: MissingFile): Transfer {
  const [url = ''] = urls;
  if (!url.startsWith('file:')) return 'to download';
  return url.endsWith('/') ? 'to pack' : 'to copy';
}
