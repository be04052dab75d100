/** Options of `everswin chaos`. */
import { parseArgs } from 'node:util';
import { killTargets, targets, type Target } from './fault-plan.ts';
import { requireSupport } from './lasting-faults.ts';
import { findSubject, type Subject } from './subject.ts';

type Scenario = 'runs' | 'soak' | 'freeze';

interface ChaosOptions {
  seed: string;
  scenario: Scenario;
  subject: Subject;
  targets: readonly Target[];
  faults: number;
  ranks: number;
  runNumbers: number[];
  json: string | undefined;
  /** Command that repeats all runs, or one. */
  reproduceCommand: (run?: number) => string;
}

/** Reads the command line. Prints what is wrong and exits with 2 if the options contradict each other. */
export function readOptions(): ChaosOptions {
  try {
    return parseOptions();
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exit(2);
  }
}

function parseOptions(): ChaosOptions {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      runs: { type: 'string' },
      /** Number of a single run, to reproduce a failure. */
      only: { type: 'string' },
      target: { type: 'string' },
      subject: { type: 'string' },
      ranks: { type: 'string' },
      faults: { type: 'string' },
      json: { type: 'string' },
      scenario: { type: 'string', default: 'runs' },
    },
  });
  const { seed, json } = values;
  const scenario = findScenario(values.scenario);
  const fixed = fixedBy[scenario].filter((option) => values[option] !== undefined);
  if (fixed.length > 0)
    throw new Error(`--scenario ${scenario} sets ${fixed.map((option) => `--${option}`).join(', ')} itself: remove it`);
  const ranks = readCount('ranks', values.ranks ?? '1');
  const subject = findSubject(subjectOf[scenario] ?? values.subject ?? 'mini', ranks);
  const chosen = scenario === 'runs' ? findTargets(values.target ?? 'all') : [];
  requireSupport(chosen);
  const faults = readCount('faults', values.faults ?? (scenario === 'soak' ? '20' : '1'));
  const runs = scenario === 'soak' ? 1 : readCount('runs', values.runs ?? '20');
  const runNumbers =
    values.only === undefined
      ? Array.from({ length: runs }, (_, index) => index + 1)
      : [readCount('only', values.only)];
  const reproduceCommand = (run?: number): string => {
    const which = run === undefined ? `--runs ${runs}` : `--only ${run}`;
    const common = `everswin chaos --seed '${seed}'`;
    if (scenario === 'soak') return `${common} --scenario soak --faults ${faults}`;
    if (scenario === 'freeze') return `${common} --scenario freeze ${which}`;
    return `${common} ${which} --target ${values.target ?? 'all'} --subject ${subject.name} --ranks ${ranks} --faults ${faults}`;
  };
  return { seed, scenario, subject, targets: chosen, faults, ranks, runNumbers, json, reproduceCommand };
}

const subjectOf = { runs: undefined, soak: 'mini-long', freeze: 'mini-freeze' } as const;

/** Options that a scenario sets itself. */
const fixedBy = {
  runs: [],
  soak: ['runs', 'only', 'target', 'subject', 'ranks'],
  freeze: ['target', 'subject', 'ranks', 'faults'],
} as const;

function findScenario(text: string): Scenario {
  if (text === 'runs' || text === 'soak' || text === 'freeze') return text;
  throw new Error(`expected --scenario to be runs, soak or freeze, got ${text}`);
}

/** Parses a list of targets, in which `kills` and `all` name several. */
function findTargets(text: string): Target[] {
  const found = text.split(',').flatMap((name) => {
    if (name === 'all') return targets;
    if (name === 'kills') return killTargets;
    const target = targets.find((one) => one === name);
    if (target !== undefined) return [target];
    throw new Error(`expected --target to be a list of all, kills, ${targets.join(', ')}, got ${name}`);
  });
  return [...new Set(found)];
}

function readCount(option: string, text: string): number {
  if (/^[1-9]\d*$/.test(text)) return Number(text);
  throw new Error(`expected --${option} to be a positive integer, got ${text}`);
}
