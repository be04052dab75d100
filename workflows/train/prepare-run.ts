import type { Check, FetchedDataset, FetchedWeights, RunInput, RunPlan } from '../../configs/schema/index.ts';
import { checkMachines } from './check-machines.ts';
import { control } from '../support/policies.ts';
import { planStopped } from './plan-stopped.ts';
import type { Notifier } from '../support/notify.ts';
import { fetchInputs } from './fetch-inputs.ts';
import type { StatusBoard } from './status-board.ts';

export interface PreparedRun {
  plan: RunPlan;
  dataset: FetchedDataset;
  weights: FetchedWeights;
  /** Settles when the machines that will train are checked. */
  machinesChecked: Promise<void>;
}

/** Performs the dry run and fetches data set and weights. @throws ApplicationFailure PlanStopped. */
export async function prepareRun(
  planned: RunPlan,
  input: RunInput,
  board: StatusBoard,
  notices: Notifier,
): Promise<PreparedRun> {
  board.showPage(planned.page);
  requirePassed(await control.checkPlan(planned), input, board);
  const inspected = checkMachines(planned, input.priority).then((checks) => requirePassed(checks, input, board));

  board.enter('fetching');
  const fetched = fetchInputs({ notices, showNotice: board.showNotice }, planned);
  // An unsuitable machine stops the run before gigabytes are downloaded; a busy machine does not delay the download.
  const [dataset, weights] = await Promise.race([fetched, inspected.then(() => fetched)]);
  const plan = await control.pinPlan({ plan: planned, dataset, weights });
  board.addPreparation([planned.recipeOutcome, dataset.outcome, weights.outcome], findingsOf(dataset));
  return { plan, dataset, weights, machinesChecked: inspected };
}

/** Name of the checks that hold what the preparation found in the data. The report lists these among its warnings. */
export const dataFindings = 'data set';

/** More findings would hide the rest of the status. */
const MAX_FINDINGS = 10;

function findingsOf({ warnings }: FetchedDataset): Check[] {
  const more = warnings.length - MAX_FINDINGS;
  const shown = more > 0 ? [...warnings.slice(0, MAX_FINDINGS), `${more} more; the report lists all`] : warnings;
  return shown.map((message) => ({ name: dataFindings, verdict: 'warning', message, remedy: null }));
}

/** Stops a run whose checks have errors, unless it is forced. */
function requirePassed(checks: Check[], { force }: RunInput, board: StatusBoard): void {
  board.addChecks(checks);
  const stops = checks.filter(({ verdict }) => verdict === 'error');
  if (stops.length === 0 || force) return;
  throw planStopped(stops);
}
