/** A worker with stubbed activities for the queue of each host, and no worker on the shared GPU queue. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import type { Client } from '@temporalio/client';
import { Worker } from '@temporalio/worker';
import { hostQueue } from '../../configs/names.ts';
import type { Attempt } from '../../configs/schema/index.ts';
import { planFor } from './two-hosts.ts';
import { anAttempt, happyActivities, type StubbedActivities } from './stub-activities.ts';
import { withControlWorker } from './workflow-env.ts';

/** @returns the names of the activities that each host executed. */
export async function withHostWorkers(
  stubs: Record<string, Partial<StubbedActivities>>,
  body: (client: Client) => Promise<void>,
): Promise<Record<string, string[]>> {
  const executed: Record<string, string[]> = {};
  const recording = (host: string, activities: StubbedActivities) =>
    Object.fromEntries(
      Object.entries(activities).map(([name, run]) => [
        name,
        (...args: never[]): unknown => {
          (executed[host] ??= []).push(name);
          return (run as (...args: never[]) => unknown)(...args); // the arguments are those of this activity
        },
      ]),
    );
  const resolvePlan: StubbedActivities['resolvePlan'] = (input) => Promise.resolve(planFor(input));
  await withControlWorker({ resolvePlan }, async (client, connection) => {
    const workers = await Promise.all(
      Object.entries(stubs).map(([host, activities]) =>
        Worker.create({
          connection,
          taskQueue: hostQueue(host),
          maxHeartbeatThrottleInterval: '200ms',
          activities: recording(host, { ...happyActivities, ...activities }),
        }),
      ),
    );
    const running = workers.map((worker) => worker.run());
    try {
      await body(client);
    } finally {
      for (const worker of workers) worker.shutdown();
      await Promise.all(running);
    }
  });
  return executed;
}

/** Trains until the activity is cancelled, then saves and ends as preempted. */
export async function trainUntilStopped({ attempt }: { attempt: number }): Promise<Attempt> {
  const { cancellationSignal } = Context.current();
  while (!cancellationSignal.aborted) {
    Context.current().heartbeat();
    await sleep(50);
  }
  return anAttempt({ attempt, outcome: 'preempted' });
}
