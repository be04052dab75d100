import type { PlanDifference, Report, RunPlan } from '../../configs/schema/index.ts';

/** Fields that identify a plan or do not affect results. `input` repeats the other fields. */
const excludedFields = [
  'v',
  'runId',
  'planHash',
  'input',
  'references',
  'recipeOutcome',
  'page',
] satisfies (keyof RunPlan)[];

/** Lists the fields that differ between plans and environments, including recipe settings. */
export function comparePlans(reports: readonly Pick<Report, 'plan' | 'environment'>[]): PlanDifference[] {
  const flat = reports.map(({ plan, environment }) => {
    const rest: Record<string, unknown> = { ...plan };
    for (const key of excludedFields) Reflect.deleteProperty(rest, key);
    return flatten({ ...rest, environment });
  });
  const fields = [...new Set(flat.flatMap((one) => [...one.keys()]))];
  return fields.flatMap((field) => {
    const values = flat.map((one) => one.get(field) ?? null);
    return new Set(values).size === 1 ? [] : [{ field, values }];
  });
}

/** Flattens a value to its paths, such as `checkpoint.everyMinutes` -> `10`. */
function flatten(value: unknown, path = ''): Map<string, string> {
  if (typeof value !== 'object' || value === null)
    return new Map([[path, typeof value === 'string' ? value : JSON.stringify(value)]]);
  if (Array.isArray(value) && value.every((one) => typeof one !== 'object')) return new Map([[path, value.join(', ')]]);
  const parts = Object.entries(value).filter(([, part]) => part !== undefined);
  return new Map(parts.flatMap(([key, part]) => [...flatten(part, path === '' ? key : `${path}.${key}`)]));
}
