import {
  ActivityFailure,
  proxyActivities,
  type ActivityInterfaceFor,
  type ActivityOptions,
} from '@temporalio/workflow';
import type { ControlActivities, GpuActivities } from '../../activities/index.ts';
import { listProblems } from '../../configs/parse-input.ts';
import { activityResults } from './activity-results.ts';
import { codedFailure, hasCode, unreadableError } from './coded-failure.ts';
import { activitySummaries, clipSummary } from './summaries.ts';

type ActivityName = keyof typeof activityResults;
type UntypedActivities = Record<string, (...args: unknown[]) => Promise<unknown>>;

/**
 * Creates activities that parse what they return. A ZodError or a TypeError in workflow code would fail the workflow task,
 * which Temporal retries indefinitely; an UnexpectedResult ends the run instead. Each call has a summary for the UI.
 */
export function checkedActivities<A extends Partial<ControlActivities & GpuActivities>>(
  options: ActivityOptions,
): ActivityInterfaceFor<A> {
  const activities = proxyActivities<UntypedActivities>(options);
  const check = (name: ActivityName) => {
    const activity = activities[name];
    const summarize: (...args: never[]) => string = activitySummaries[name];
    const executeWithOptions = async (overrides: ActivityOptions, args: unknown[]): Promise<unknown> => {
      const summary = clipSummary(overrides.summary ?? summarize(...(args as never[]))); // the types of the activity
      const call = () => activity?.executeWithOptions({ ...overrides, summary }, args);
      return parseResult(name, await repeatWhileUnreadable(options, call));
    };
    const execute = (...args: unknown[]): Promise<unknown> => executeWithOptions({}, args);
    return Object.assign(execute, { executeWithOptions });
  };
  const checked: unknown = Object.fromEntries(names.map((name) => [name, check(name)]));
  return checked as ActivityInterfaceFor<A>; // each name has the type of its activity, whose result its schema yields
}

/**
 * Repeats an activity whose workers lack the key of its input, after all retries of Temporal: a worker with other keys ends
 * no run. The workflow itself decides about an activity that is tried once, and a deadline stays one.
 */
async function repeatWhileUnreadable<T>({ retry }: ActivityOptions, call: () => T): Promise<Awaited<T>> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      const isFinal =
        retry?.maximumAttempts === 1 || !(error instanceof ActivityFailure) || error.retryState === 'TIMEOUT';
      if (isFinal || !hasCode(error, unreadableError)) throw error;
    }
  }
}

const names = Object.keys(activityResults) as ActivityName[]; // the keys of a literal

/** @throws ApplicationFailure UnexpectedResult. */
function parseResult(name: ActivityName, result: unknown): unknown {
  const parsed = activityResults[name].safeParse(result);
  if (parsed.success) return parsed.data;
  const problems = listProblems(parsed.error, 'result').map((problem) => `- ${problem}`);
  throw codedFailure(
    'UnexpectedResult',
    [
      `Activity ${name} returned a result that this version of the workflow does not understand:`,
      ...problems,
      'Check that all workers run the same version and that no client completed the activity by command. Then start the run again.',
    ].join('\n'),
  );
}
