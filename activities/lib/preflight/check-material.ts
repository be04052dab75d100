import type { CatalogFile, Check, RunPlan } from '../../../configs/schema.ts';
import { startingWeights } from '../../../configs/starting-weights.ts';
import { showBytes } from '../../../configs/show-bytes.ts';
import { findObject } from '../artifacts/objects.ts';

/** What of data and weights is in the store already, and what has to be fetched. Of own files nobody knows the size before. */
export async function checkMaterial(home: string, { dataset, weights }: RunPlan): Promise<Check[]> {
  const about = (what: string, id: string, files: CatalogFile[], missing: CatalogFile[]): Check => {
    const bytes = missing.reduce((sum, file) => sum + (file.bytes ?? 0), 0);
    const unknown = missing.filter((file) => file.bytes === null).map(({ file }) => file);
    const rest = unknown.length === 0 ? '' : `, and ${unknown.join(', ')} of unknown size`;
    const says =
      missing.length === 0
        ? `${id}: all ${files.length} files are in the store`
        : `${id}: ${showBytes(bytes)} to fetch in ${missing.length} of ${files.length} files${rest}`;
    return { about: what, verdict: 'ok', says, next: null };
  };
  const { id, source } = startingWeights(weights);
  return [
    about('data', dataset.id, dataset.archives, await findMissing(home, dataset.archives)),
    about('weights', id, [source], await findMissing(home, [source])),
  ];
}

/** Files that the store does not hold; of those without a hash nobody can tell, so they count as missing. */
export async function findMissing(home: string, files: readonly CatalogFile[]): Promise<CatalogFile[]> {
  const found = await Promise.all(
    files.map(async (file) => file.sha256 !== null && (await findObject(home, file.sha256)) !== undefined),
  );
  return files.filter((_file, place) => !found[place]);
}
