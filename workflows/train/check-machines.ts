import { hostsOf } from '../../configs/schema/plan-hosts.ts';
import type { Check, RunPlan } from '../../configs/schema/index.ts';
import { inspection, onLeader, onHost, queuePriority } from '../support/policies.ts';
import { codedFailure } from '../support/coded-failure.ts';

/**
 * Checks every machine that will train, and whether all of them share one folder.
 * @param priority the run's: where tasks wait for a worker, nobody's look comes before a more urgent run's training.
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

/** Each leaves a mark; then each looks for all. @throws ApplicationFailure PlanStopped: that cannot be forced. */
async function checkSharedStorage({ runId }: RunPlan, hosts: string[]): Promise<Check[]> {
  const look = (expected: string[]) =>
    Promise.all(
      hosts.map(async (host) => {
        const options = onHost(host);
        return nameHost(
          await inspection.checkSharedStorage.executeWithOptions(options, [{ runId, host, expected }]),
          host,
        );
      }),
    );
  await look([]);
  const seen = await look(hosts);
  const blind = seen.find(({ verdict }) => verdict === 'error');
  if (blind !== undefined)
    throw codedFailure('PlanStopped', `- ${blind.name}: ${blind.message}. ${blind.remedy ?? ''}`);
  return seen;
}
