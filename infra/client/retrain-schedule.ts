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

/** Interval or cron expression of a schedule. Without either, the schedule only runs when it is triggered. */
interface ScheduleTiming {
  /** Interval, such as `24h` or `30m`. */
  every: string | undefined;
  /** Cron expression of five fields. */
  cron: string | undefined;
  /** IANA name of the time zone of the cron expression. */
  timeZone: string;
}

/** Creates the retraining schedule of a model, or changes it to this one. Idempotent. */
export async function applySchedule(
  client: Client,
  input: RetrainInput,
  { every, cron, timeZone }: ScheduleTiming,
): Promise<'created' | 'changed'> {
  const scheduleId = retrainId(input.model);
  const schedule: RetrainSchedule = {
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
      // At most one action waits for a running training. Actions missed during a server outage are dropped.
      overlap: ScheduleOverlapPolicy.BUFFER_ONE,
      catchupWindow: '1 minute',
      pauseOnFailure: true,
    },
  };
  try {
    return await updateOrCreate(client, scheduleId, schedule);
  } catch (error) {
    // The SDK throws it for an argument that the server refuses.
    if (!(error instanceof TypeError)) throw error;
    throw new Error(`The server refuses the schedule: ${error.message}. Correct --every or --cron.`, { cause: error });
  }
}

async function updateOrCreate(
  client: Client,
  scheduleId: string,
  schedule: RetrainSchedule,
): Promise<'created' | 'changed'> {
  try {
    await client.schedule.getHandle(scheduleId).update(({ state }) => ({ ...schedule, state }));
    return 'changed';
  } catch (error) {
    if (!(error instanceof ScheduleNotFoundError)) throw error;
    await client.schedule.create({ scheduleId, ...schedule });
    return 'created';
  }
}

function formatTiming({ every, cron, timeZone }: ScheduleTiming): string {
  if (every !== undefined) return `every ${every}`;
  return cron === undefined ? onlyWhenTriggered : `cron ${cron} ${timeZone}`;
}

const onlyWhenTriggered = 'only when triggered';

/** Formats timing, next and recent actions of a model's schedule. */
export async function formatSchedule(client: Client, model: string): Promise<string[]> {
  const { spec, state, info } = await client.schedule.getHandle(retrainId(model)).describe();
  const times = [
    ...(spec.intervals ?? []).map(({ every }) => `every ${every / 60_000} min`),
    ...(spec.calendars ?? []).map(({ comment }) => comment ?? 'calendar'),
  ];
  const timing = times.length === 0 ? onlyWhenTriggered : [...times, spec.timezone ?? 'UTC'].join(', ');
  return [
    `${retrainId(model)}: ${timing}${state.paused ? `, paused: ${state.note ?? ''}` : ''}`,
    `  next   ${
      info.nextActionTimes
        .slice(0, 3)
        .map((at) => at.toISOString())
        .join(', ') || '–'
    }`,
    ...info.recentActions
      .slice(-3)
      .map(({ takenAt, action }) => `  ran    ${takenAt.toISOString()}  ${action.workflow.workflowId}`),
  ];
}
