/** Reduces a failing scenario to the fewest faults and requests that still violate the same oracle. */
import type { SimulationResult } from './simulation.ts';
import type { ScheduledEvent, Scenario } from './scenario.ts';

/** Delta debugging: removes halves, then quarters, and so on, while the violation remains. */
export async function shrink(
  scenario: Scenario,
  oracle: string,
  run: (scenario: Scenario) => Promise<SimulationResult>,
): Promise<Scenario> {
  const fails = async (events: ScheduledEvent[]): Promise<boolean> =>
    (await run({ ...scenario, events })).violation?.oracle === oracle;
  let { events } = scenario;
  for (let parts = 2; events.length > 0;) {
    const size = Math.ceil(events.length / parts);
    const reduced = await findReduction(events, size, fails);
    if (reduced !== undefined) {
      events = reduced;
      parts = Math.max(2, parts - 1);
    } else if (size === 1) break;
    else parts = Math.min(events.length, 2 * parts);
  }
  return { ...scenario, events };
}

async function findReduction(
  events: ScheduledEvent[],
  size: number,
  fails: (events: ScheduledEvent[]) => Promise<boolean>,
): Promise<ScheduledEvent[] | undefined> {
  for (let start = 0; start < events.length; start += size) {
    const rest = [...events.slice(0, start), ...events.slice(start + size)];
    if (await fails(rest)) return rest;
  }
  return undefined;
}
