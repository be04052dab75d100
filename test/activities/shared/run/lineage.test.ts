import { expect, test } from 'vitest';
import { filterLineage } from '../../../../activities/shared/run/lineage.ts';
import type { TrainerEvent } from '../../../../configs/schema/index.ts';
import { startedEvent, stepEvent, validationEvent } from '../../../fixtures/sample-report.ts';

const keptEvents = (events: TrainerEvent[]) =>
  filterLineage(events).map((event) => `${event.type} ${'iteration' in event ? event.iteration : ''}`);

test('a start supersedes earlier steps and validations with higher iterations', () => {
  const first = [startedEvent(), stepEvent({ iteration: 50 }), stepEvent({ iteration: 100 })];
  const validated = validationEvent({ iteration: 100 });
  const second = [startedEvent({ iteration: 50 }), stepEvent({ iteration: 90 })];
  expect(keptEvents([...first, validated, ...second])).toEqual(['started 0', 'step 50', 'started 50', 'step 90']);
});

test('an event at the iteration of a start is kept', () => {
  const events = [startedEvent(), stepEvent({ iteration: 100 }), validationEvent({ iteration: 100 })];
  expect(keptEvents([...events, startedEvent({ iteration: 100 })])).toHaveLength(4);
});

test('a start at iteration 0 supersedes all steps and validations', () => {
  expect(keptEvents([stepEvent({ iteration: 50 }), startedEvent({ iteration: 0 })])).toEqual(['started 0']);
});
