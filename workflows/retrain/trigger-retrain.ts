import { retrainId } from '../../configs/names.ts';
import { RetrainInput } from '../../configs/schema/index.ts';
import { runWatch, triggering } from '../support/policies.ts';
import { codedFailure } from '../support/coded-failure.ts';

/**
 * Sends a trigger to the retraining of a model and waits until it ends. A schedule starts this workflow, and so sees
 * overlaps and failures.
 */
export async function triggerRetrain(rawInput: unknown, who: string, why: string): Promise<void> {
  const { data } = RetrainInput.safeParse(rawInput);
  if (data === undefined)
    throw codedFailure(
      'InvalidInput',
      'The schedule has no valid retraining input. Apply it again: `everswin schedule apply FILE`.',
    );
  await triggering.sendTrigger({ input: data, who, why });
  await runWatch.waitForRun(retrainId(data.model));
}
