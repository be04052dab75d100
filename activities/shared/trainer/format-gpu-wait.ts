import type { GpuWait } from '../../../configs/schema/index.ts';

/** For what a job waits and for whom, in one line: shown in `status`, in the UI and as heartbeat. Pure. */
export function formatGpuWait({ gpus, place, ahead, held, foreign, hosts }: GpuWait): string {
  if (hosts.length > 0) return `Waits until there are GPUs on ${hosts.join(', ')}`;
  const parts = [`Waits for ${gpus} GPU${gpus === 1 ? '' : 's'}: place ${place} in the queue`];
  if (ahead.length > 0) parts.push(`behind ${ahead.map((one) => `${one.run} (${one.gpus})`).join(', ')}`);
  for (const { names, said } of groupByHolder(held)) parts.push(`${names.join(', ')} ${said}`);
  for (const { gpu, users } of foreign) parts.push(`${gpu} is used by ${users.join(', ')}`);
  return parts.join('; ');
}

/** Whether a person would want to hear of it: numbers of megabytes that go up and down are no news. */
export const gpuWaitKey = ({ place, ahead, held, foreign, hosts }: GpuWait): string =>
  JSON.stringify([hosts, place, ahead, held.map(({ run, survivors }) => [run, survivors]), foreign.map(({ gpu }) => gpu)]);

function groupByHolder(held: GpuWait['held']): { names: string[]; said: string }[] {
  const groups = new Map<string, string[]>();
  for (const { gpu, run, pid, since, survivors } of held) {
    const from = since === null ? '' : ` since ${new Date(since * 1000).toISOString().slice(0, 19)}Z`;
    const who = survivors ? `what is left of run ${run ?? '?'}` : `run ${run ?? '?'}`;
    const said = `held by ${who} (pid ${pid ?? '?'})${from}`;
    groups.set(said, [...(groups.get(said) ?? []), gpu]);
  }
  return [...groups].map(([said, names]) => ({ names, said }));
}
