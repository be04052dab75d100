/** A process of the pool: simulates the seeds that the parent sends. It is started with --import module-hooks.ts. */
import { readFile } from 'node:fs/promises';
import { formatEvent, formatResult } from './format-results.ts';
import type { JobRequest, SeedRequest, SeedsRequest } from './pool.ts';
import { planScenario, type Scenario } from './scenario.ts';
import { shrink } from './shrink.ts';
import { Simulation, type SimulationResult } from './simulation.ts';
import { summarize, type FailedSeed, type Summary } from './summary.ts';
import { WorkflowVm } from './workflow-vm.ts';

/** Every so many seeds, a seed is simulated twice, and both traces must be equal. */
const repeatEvery = 50;

const vm = await WorkflowVm.create(await readFile(process.argv[2] ?? '', 'utf8'));
const simulate = (scenario: Scenario): Promise<SimulationResult> => new Simulation(vm, scenario).run();

async function simulateSeed(seed: number): Promise<SimulationResult> {
  const scenario = planScenario(String(seed));
  const result = await simulate(scenario);
  if (result.violation !== undefined || seed % repeatEvery !== 0) return result;
  if ((await simulate(scenario)).traceHash === result.traceHash) return result;
  return { ...result, violation: { oracle: 'same trace', text: `two simulations of seed ${seed} differ` } };
}

async function simulateSeeds({ from, count, stopsAtViolation }: SeedsRequest): Promise<Summary> {
  const cpuBefore = process.cpuUsage();
  const results: SimulationResult[] = [];
  const failures: FailedSeed[] = [];
  for (let seed = from; seed < from + count; seed++) {
    const result = await simulateSeed(seed);
    results.push(result);
    if (result.violation === undefined) continue;
    const scenario = planScenario(String(seed));
    const { events } = await shrink(scenario, result.violation.oracle, simulate);
    failures.push({ seed, ...result.violation, planned: scenario.events.length, events });
    if (stopsAtViolation) break;
  }
  const { user, system } = process.cpuUsage(cpuBefore);
  return { ...summarize(results), failures, cpuSeconds: (user + system) / 1e6 };
}

/** Repeats one seed and prints what happens. */
async function repeatSeed({ seed, only, isTraced }: SeedRequest): Promise<SimulationResult> {
  const planned = planScenario(String(seed));
  const events = planned.events.filter(({ id }) => only === undefined || only.includes(id));
  for (const event of events) console.log(formatEvent(event));
  const onLine = isTraced ? (line: string) => console.log(line) : undefined;
  const result = await new Simulation(vm, { ...planned, events }, onLine).run();
  console.log(formatResult(result));
  return result;
}

const answer = async (request: JobRequest): Promise<void> => {
  process.send?.('seed' in request ? { ...(await repeatSeed(request)), trace: [] } : await simulateSeeds(request));
};

// Ctrl-C reaches all processes of a terminal. The first one ends the others after their current seeds.
process.on('SIGINT', () => undefined);
process.on('message', (request: JobRequest) => void answer(request));
process.send?.('ready');
