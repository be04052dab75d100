import {
  ScheduleOverlapPolicy,
  ScheduleNotFoundError,
  type Client,
  type ScheduleOptions,
  type ScheduleOptionsStartWorkflowAction,
} from '@temporalio/client';
import { retrainId, taskQueues, workflowTypes } from '../../configs/names.ts';
import type { RetrainInput } from '../../configs/schema/index.ts';
import type { triggerRetrain } from '../../workflows/index.ts';

type RetrainSchedule = Omit<ScheduleOptions<ScheduleOptionsStartWorkflowAction<typeof triggerRetrain>>, 'scheduleId'>;

/** One of the first two; with neither, the schedule is there for those who tell it, and never due by itself. */
export interface ScheduleTiming {
  /** `24h`, `30m`. */
  every: string | undefined;
  /** Five fields. */
  cron: string | undefined;
  /** As the IANA names them: it decides what a cron expression means. */
  timeZone: string;
}

/** Makes the schedule of a model what is asked for, whatever it was; done twice it is done once. */
export async function applySchedule(
  client: Client,
  input: RetrainInput,
  { every, cron, timeZone }: ScheduleTiming,
): Promise<'created' | 'changed'> {
  const scheduleId = retrainId(input.model);
  const wanted: RetrainSchedule = {
    spec: {
      ...(every === undefined ? {} : { intervals: [{ every: every as '24h' }] }),
      ...(cron === undefined ? {} : { cronExpressions: [cron] }),
      timezone: timeZone,
    },
    action: {
      type: 'startWorkflow',
      workflowType: workflowTypes.triggerRetrain,
      taskQueue: taskQueues.control,
      args: [input, 'the schedule', formatTiming({ every, cron, timeZone })],
    },
    policies: {
      // One more waits for a training that goes on; what was missed while the server was away is not made up for.
      overlap: ScheduleOverlapPolicy.BUFFER_ONE,
      catchupWindow: '1 minute',
      pauseOnFailure: true,
    },
  };
  const handle = client.schedule.getHandle(scheduleId);
  try {
    await handle.update(({ state }) => ({ ...wanted, state }));
    return 'changed';
  } catch (error) {
    if (!(error instanceof ScheduleNotFoundError)) throw error;
    await client.schedule.create({ scheduleId, ...wanted });
    return 'created';
  }
}

function formatTiming({ every, cron, timeZone }: ScheduleTiming): string {
  if (every !== undefined) return `every ${every}`;
  return cron === undefined ? onlyWhenTold : `cron ${cron} ${timeZone}`;
}

const onlyWhenTold = 'only when it is told';

export async function formatSchedule(client: Client, model: string): Promise<string[]> {
  const { spec, state, info } = await client.schedule.getHandle(retrainId(model)).describe();
  const times = [
    ...(spec.intervals ?? []).map(({ every }) => `every ${every / 60_000} min`),
    ...(spec.calendars ?? []).map(({ comment }) => comment ?? 'by the calendar'),
  ];
  const clock = times.length === 0 ? onlyWhenTold : [...times, spec.timezone ?? 'UTC'].join(', ');
  return [
    `${retrainId(model)}: ${clock}${state.paused ? `, paused: ${state.note ?? ''}` : ''}`,
    `  next   ${
      info.nextActionTimes
        .slice(0, 3)
        .map((at) => at.toISOString())
        .join(', ') || '–'
    }`,
    ...info.recentActions
      .slice(-3)
      .map(({ takenAt, action }) => `  taken  ${takenAt.toISOString()}  ${action.workflow.workflowId}`),
  ];
}
