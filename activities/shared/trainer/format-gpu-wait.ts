import type { GpuHolder, GpuWait } from '../../../configs/schema/index.ts';

/** Formats a GPU wait on one line, for `status`, the Temporal UI and the heartbeat. */
export function formatGpuWait({ gpus, position, ahead, holders, foreign, hosts }: GpuWait): string {
  if (hosts.length > 0) return `Waiting for GPUs on ${hosts.join(', ')}`;
  const parts = [`Waiting for ${gpus} GPU${gpus === 1 ? '' : 's'}: position ${position} in the queue`];
  if (ahead.length > 0) parts.push(`behind ${ahead.map((one) => `${formatRunOfUser(one)} (${one.gpus})`).join(', ')}`);
  parts.push(...formatHolders(holders));
  for (const { gpu, users } of foreign) parts.push(`${gpu} is in use by ${users.join(', ')}`);
  return parts.join('; ');
}

/** Identifies a wait by what a user wants to be notified of, which excludes the memory use of other processes. */
export const gpuWaitKey = ({ position, ahead, holders, foreign, hosts }: GpuWait): string =>
  JSON.stringify([hosts, position, ahead, holders.map(({ run, user, orphaned }) => [run, user, orphaned]), foreign.map(({ gpu }) => gpu)]);

/** Formats who holds which GPUs: one text for each holder. */
export function formatHolders(holders: readonly GpuHolder[]): string[] {
  const groups = new Map<string, string[]>();
  for (const { gpu, pid, since, orphaned, ...one } of holders) {
    const from = since === null ? '' : ` since ${new Date(since * 1000).toISOString().slice(0, 19)}Z`;
    const who = `${orphaned ? 'surviving processes of ' : ''}run ${formatRunOfUser(one)}`;
    const holder = `held by ${who} (pid ${pid ?? '?'})${from}`;
    groups.set(holder, [...(groups.get(holder) ?? []), gpu]);
  }
  return [...groups].map(([holder, names]) => `${names.join(', ')} ${holder}`);
}

/** Users of one machine may give their runs the same name. */
export const formatRunOfUser = ({ run, user }: { run: string | null; user: string | null }): string =>
  `${run ?? '?'}${user === null ? '' : ` of user ${user}`}`;
