import { expect, test } from 'vitest';
import type { Attempt } from '../../configs/schema.ts';
import { decideNext } from '../../workflows/decide.ts';
import { anAttempt } from '../helpers/workflow-env.ts';

const crash = (checkpointIteration: number | null): Attempt => anAttempt({ ending: 'crashed', checkpointIteration });
const ended = (ending: Attempt['ending']): Attempt => anAttempt({ ending, checkpointIteration: null });

test.each<[string, Attempt[], string]>([
  ['a finished training is tested', [ended('finished')], 'test'],
  ['a lost worker leaves a trainer to adopt', [ended('worker-lost')], 'adopt'],
  ['a preempted trainer goes on', [ended('preempted')], 'again'],
  ['a first crash goes on', [crash(null)], 'again'],
  ['a second crash without progress goes on', [crash(null), crash(null)], 'again'],
  ['a third crash in a row without progress stops', [crash(null), crash(null), crash(null)], 'stop'],
  ['crashes with a new checkpoint each are free', [crash(10), crash(20), crash(30), crash(40)], 'again'],
  ['crashes on one checkpoint are counted from there', [crash(10), crash(10), crash(10), crash(10)], 'stop'],
  ['a new checkpoint starts the count anew', [crash(null), crash(null), crash(10)], 'again'],
  [
    'a lost worker between crashes does not reset the count',
    [crash(null), crash(null), ended('worker-lost'), crash(null)],
    'stop',
  ],
])('%s', (_title, attempts, next) => {
  expect(decideNext(attempts).next).toBe(next);
});
