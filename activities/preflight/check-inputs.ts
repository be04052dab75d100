import type { CatalogFile, Check, RunPlan } from '../../configs/schema/index.ts';
import { startingWeights } from '../../configs/schema/plan-weights.ts';
import { formatBytes } from '../shared/summary/format-bytes.ts';
import type { MissingFile } from '../inputs/find-missing.ts';

/** What of these files is not in the store as it should be. */
export type FindMissing = (files: readonly CatalogFile[]) => Promise<MissingFile[]>;

/** What of data and weights is in the store already, what has to be fetched, and what cannot be. */
export async function checkInputs(
  findMissing: FindMissing,
  { dataset, weights }: Pick<RunPlan, 'dataset' | 'weights'>,
): Promise<Check[]> {
  const { id, source } = startingWeights(weights);
  return [
    checkFiles('data', dataset.id, dataset.archives, await findMissing(dataset.archives)),
    checkFiles('weights', id, [source], await findMissing([source])),
  ];
}

function checkFiles(about: string, id: string, files: readonly CatalogFile[], missing: readonly MissingFile[]): Check {
  const refusals = missing.flatMap(({ refusal }) => refusal?.replace(/\.$/, '') ?? []);
  if (refusals.length > 0) {
    const next = `Mend it, or the addresses of ${id} in the input or in configs/catalog.json.`;
    return { name: about, verdict: 'error', message: `${id}: ${refusals.join('; ')}`, remedy: next };
  }
  const bytes = missing.reduce((sum, { size: need }) => sum + (need?.downloadBytes ?? 0), 0);
  const unknown = missing.filter(({ size: need }) => need === null).map(({ file }) => file.file);
  const rest = unknown.length === 0 ? '' : `, and ${unknown.join(', ')} of unknown size`;
  const says =
    missing.length === 0
      ? `${id}: all ${files.length} files are in the store`
      : `${id}: ${formatBytes(bytes)} to fetch in ${missing.length} of ${files.length} files${rest}`;
  return { name: about, verdict: 'ok', message: says, remedy: null };
}
