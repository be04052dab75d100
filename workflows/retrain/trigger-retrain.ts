import { retrainId } from '../../configs/names.ts';
import { RetrainInput } from '../../configs/schema/index.ts';
import { runWatch, triggering } from '../support/policies.ts';
import { codedFailure } from '../support/coded-failure.ts';

/**
 * What a schedule starts: tells the model's one retraining that it is time, and lasts as long as that does, so that the
 * schedule knows of an overlap and of a failure.
 */
export async function triggerRetrain(rawInput: unknown, who: string, why: string): Promise<void> {
  const { data } = RetrainInput.safeParse(rawInput);
  if (data === undefined)
    throw codedFailure(
      'InvalidInput',
      'The schedule holds no input of a retraining: `npm run schedule -- apply FILE`.',
    );
  await triggering.sendTrigger({ input: data, who, why });
  await runWatch.waitForRun(retrainId(data.model));
}
