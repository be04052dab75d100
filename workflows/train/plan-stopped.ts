import type { ApplicationFailure } from '@temporalio/workflow';
import { formatPlural } from '../../activities/shared/summary/format-time.ts';
import type { Check } from '../../configs/schema/index.ts';
import { codedFailure } from '../support/coded-failure.ts';

/** Creates the failure of a run whose checks found errors: it lists each of them with its remedy. */
export const planStopped = (errors: readonly Check[]): ApplicationFailure =>
  codedFailure(
    'PlanStopped',
    [
      `The dry run found ${formatPlural(errors.length, 'error')}:`,
      ...errors.map(({ name, message, remedy }) => `- ${name}: ${message}${remedy === null ? '' : `. ${remedy}`}`),
    ].join('\n'),
  );
