import { headline } from './run-failure.ts';
import type { SweepChange, VariantStatus } from '../../../configs/schema/index.ts';

type VariantSummary = Pick<VariantStatus, 'state' | 'joined' | 'stoppedEarly' | 'failure' | 'question'>;

/** Formats the state of a variant on one line. */
export function formatVariantState({ state, joined, stoppedEarly, failure, question }: VariantSummary): string {
  return [
    stoppedEarly === null ? state : `${state}, stopped early ${stoppedEarly}`,
    ...(failure === null ? [] : [`${failure.code}: ${headline(failure.message)}`]),
    ...(question == null || state !== 'running' ? [] : [`waits for a person: ${question}`]),
    ...(joined ? ['joined an existing run'] : []),
  ].join('; ');
}

/** Formats what a variant changes, such as `epochs 3, weights.backbone swin-mini`. */
export function formatVariantChanges(change: SweepChange): string {
  const fields = flatten(change, '');
  return fields.length === 0 ? 'same as the base' : fields.join(', ');
}

function flatten(value: object, path: string): string[] {
  return Object.entries(value).flatMap(([key, part]: [string, unknown]) => {
    if (part === undefined) return [];
    if (typeof part === 'object' && part !== null && !Array.isArray(part)) return flatten(part, `${path}${key}.`);
    return [`${path}${key} ${typeof part === 'string' ? part : JSON.stringify(part)}`];
  });
}
