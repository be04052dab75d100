import { hostsOf } from '../../configs/schema/plan-hosts.ts';
import type { Check, RunPlan } from '../../configs/schema/index.ts';
import { inspection, onLeader, onHost, queuePriority } from '../support/policies.ts';
import { planStopped } from './plan-stopped.ts';

/**
 * Checks every machine that will train, and whether all of them share one folder.
 * @param priority of the run, so that a check does not overtake the training of a more urgent run in the task queue.
 */
export async function checkMachines(plan: RunPlan, priority?: number): Promise<Check[]> {
  const hosts = hostsOf(plan);
  const options = { ...onLeader(plan), priority: queuePriority(priority) };
  if (hosts.length < 2) return inspection.checkMachine.executeWithOptions(options, [plan]);
  const checks = await Promise.all(hosts.map((host) => checkHost(plan, host)));
  return [...checks.flat(), ...(await checkSharedStorage(plan, hosts))];
}

const checkHost = async (plan: RunPlan, host: string): Promise<Check[]> => {
  const checks = await inspection.checkMachine.executeWithOptions(onHost(host), [plan]);
  return checks.map((check) => nameHost(check, host));
};

const nameHost = (check: Check, host: string): Check => ({ ...check, name: `${host}: ${check.name}` });

/**
 * Checks that all hosts share the run folder: each host writes a file, then each host looks for all of them.
 * @throws ApplicationFailure PlanStopped, even if the run is forced.
 */
async function checkSharedStorage({ runId }: RunPlan, hosts: string[]): Promise<Check[]> {
  const checkAll = (expected: string[]) =>
    Promise.all(
      hosts.map(async (host) => {
        const options = onHost(host);
        return nameHost(
          await inspection.checkSharedStorage.executeWithOptions(options, [{ runId, host, expected }]),
          host,
        );
      }),
    );
  await checkAll([]);
  const checks = await checkAll(hosts);
  const failed = checks.find(({ verdict }) => verdict === 'error');
  if (failed !== undefined) throw planStopped([failed]);
  return checks;
}
