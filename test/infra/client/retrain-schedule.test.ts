/** Runs against a real Temporal server. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { RetrainInput } from '../../../configs/schema/index.ts';
import { applySchedule, formatSchedule } from '../../../infra/client/retrain-schedule.ts';
import { miniInput, miniPlan } from '../../helpers/mini-run.ts';
import { omitRunName } from '../../helpers/omit-run-name.ts';
import { until } from '../../helpers/until.ts';
import { anAttempt, someFingerprint } from '../../helpers/stub-activities.ts';
import { withWorkers } from '../../helpers/workflow-env.ts';
import { sendTrigger } from '../../../activities/retrain/send-trigger.ts';
import { waitForRun } from '../../../activities/retrain/wait-for-run.ts';

const run = omitRunName(miniInput);
const inputOf = (model: string) => RetrainInput.parse({ version: 1, model, run });

test('applySchedule names what the server refuses', async () => {
  await withWorkers({}, async (client) => {
    const timing = { every: undefined, cron: '99 3 * * 1', timeZone: 'UTC' };
    await expect(applySchedule(client, inputOf('refused'), timing)).rejects.toThrow(
      'The server refuses the schedule: Minute is not in range [0-59]. Correct --every or --cron.',
    );
  });
});

test('applySchedule creates, then updates; trainings longer than the interval do not overlap', async () => {
  let running = 0;
  let maxRunning = 0;
  const trained: string[] = [];
  let checks = 0;
  await withWorkers(
    {
      sendTrigger,
      waitForRun,
      resolvePlan: (input) => Promise.resolve({ ...miniPlan, runId: input.name, input }),
      // Every check finds a change.
      detectChanges: () => {
        const sha256 = String(++checks).padStart(64, '0').split('').reverse().join('');
        return Promise.resolve({
          fingerprint: { ...someFingerprint, sha256 },
          changed: `changed: ${checks}`,
          last: null,
          champion: null,
        });
      },
      runTraining: async ({ plan, attempt }) => {
        maxRunning = Math.max(maxRunning, ++running);
        await sleep(4_000);
        running -= 1;
        trained.push(plan.runId);
        return anAttempt({ attempt });
      },
    },
    async (client) => {
      const input = inputOf(`schedule-${process.pid}`);
      const timing = { every: '1s', cron: undefined, timeZone: 'Europe/Berlin' };
      expect(await applySchedule(client, input, { ...timing, every: '1h' })).toBe('created');
      expect(await applySchedule(client, input, timing)).toBe('changed');
      const handle = client.schedule.getHandle(`retrain:${input.model}`);
      await until(async () => (trained.length >= 2 ? true : Promise.resolve(undefined)));
      await handle.pause('enough');
      const { info, state } = await handle.describe();
      expect(state).toMatchObject({ paused: true, note: 'enough' });
      expect(info.numActionsTaken).toBeGreaterThanOrEqual(2);
      // Of the actions of all those seconds, only one is buffered.
      await until(async () => ((await handle.describe()).info.runningActions.length === 0 ? true : undefined));
      expect(maxRunning).toBe(1);
      expect(trained.length).toBeLessThanOrEqual(4);
      expect((await formatSchedule(client, input.model))[0]).toContain('paused: enough');
      await handle.delete();
    },
  );
});
