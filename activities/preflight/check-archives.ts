import type { Check, RunPlan } from '../../configs/schema/index.ts';
import type { ArchiveInspection } from '../inputs/inspect-archives.ts';

/** Finds local files of the data set that have the wrong kind or content. */
export type InspectArchives = () => Promise<ArchiveInspection>;

/** Checks that local archives and annotations can be what the plan uses them for; no check if all are elsewhere. */
export async function checkArchives(inspect: InspectArchives, { id }: RunPlan['dataset']): Promise<Check[]> {
  const { names, problems } = await inspect();
  if (names.length === 0) return [];
  const name = 'archives';
  if (problems.length === 0) {
    return [{ name, verdict: 'ok', message: `${id}: ${names.join(', ')} can be opened`, remedy: null }];
  }
  const remedy = `Fix the files, or correct the paths of ${id} in the input.`;
  return [{ name, verdict: 'error', message: `${id}: ${problems.join('; ')}`, remedy }];
}
