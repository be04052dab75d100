import { listRuns } from '../../activities/plan/references.ts';
import { didYouMean } from '../../configs/schema/did-you-mean.ts';

const maxListed = 8;

/** Explains a name that no run of this home has, and names the runs there are. */
export async function explainUnknownRun(home: string, name: string): Promise<string> {
  const runs = (await listRuns(home)).sort();
  const listed = `${runs.slice(0, maxListed).join(', ')}${runs.length > maxListed ? ', …' : ''}`;
  const known = runs.length === 0 ? '. This folder has no runs.' : `. Runs: ${listed}.`;
  return `There is no run "${name}"${didYouMean(name, runs) || known}`;
}
