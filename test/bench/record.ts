/** Prints and saves the results of a benchmark: machine, figures and raw measurements. */
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { execa } from 'execa';
import { readMachine } from '../chaos/read-machine.ts';
import { Random } from '../chaos/random.ts';
import { pinnedTemporal, projectRoot, python } from '../helpers/project.ts';

export interface BenchArguments {
  seed: string;
  repeats: number;
  out: string | undefined;
}

/** Parses `--seed N --repeats N --out FILE`. */
export function readArguments(repeats: number): BenchArguments {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string', default: '1' },
      repeats: { type: 'string', default: String(repeats) },
      out: { type: 'string' },
    },
  });
  return { seed: values.seed, repeats: Number(values.repeats), out: values.out };
}

export interface Figure {
  name: string;
  unit: string;
  n: number;
  mean: number;
  p50: number;
  p95: number;
  most: number;
  /** Confidence intervals of the median and the 95th percentile, by seeded bootstrap. */
  p50Ci95: [number, number];
  p95Ci95: [number, number];
  target: string | null;
}

const resamples = 2000;

export function summarize(name: string, unit: string, samples: number[], target: string | null = null): Figure {
  const random = new Random(name);
  const drawn = Array.from({ length: resamples }, () => samples.map(() => random.pick(samples)));
  const interval = (share: number): [number, number] => {
    const found = drawn.map((one) => quantile(one, share));
    return [quantile(found, 0.025), quantile(found, 0.975)];
  };
  return {
    name,
    unit,
    n: samples.length,
    mean: mean(samples),
    p50: quantile(samples, 0.5),
    p95: quantile(samples, 0.95),
    most: Math.max(...samples),
    p50Ci95: interval(0.5),
    p95Ci95: interval(0.95),
    target,
  };
}

export const mean = (samples: number[]): number => samples.reduce((sum, one) => sum + one, 0) / samples.length;

/** Returns the quantile by nearest rank, which is a measured value. */
export function quantile(samples: number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? NaN;
}

export function printFigures(figures: Figure[]): void {
  for (const { name, unit, n, p50, p95, p50Ci95, p95Ci95, most, target } of figures) {
    const number = (value: number) => value.toFixed(3);
    const between = ([low, high]: [number, number]) => `[${number(low)}, ${number(high)}]`;
    const text = `n ${n}, p50 ${number(p50)} ${between(p50Ci95)}, p95 ${number(p95)} ${between(p95Ci95)}, most ${number(most)} ${unit}`;
    console.log(`${name}: ${text}${target === null ? '' : ` (target ${target})`}`);
  }
}

/** Reads the environment of a benchmark. Call it before the measurement, because the load is part of it. */
export async function readEnvironment({ seed, repeats, out }: BenchArguments, program: string) {
  const { machine, versions, ...rest } = await readMachine();
  const command = `node test/bench/${program} --seed ${seed} --repeats ${repeats}`;
  return {
    command: out === undefined ? command : `${command} --out ${out}`,
    seed,
    ...rest,
    machine: { ...machine, disk: formatDisk(), loadBefore: loadavg() },
    versions: { ...versions, ...(await readVersions()) },
  };
}

async function readVersions() {
  const outputOf = async (executable: string, ...argv: string[]) =>
    (await execa(executable, argv, { reject: false })).stdout;
  return {
    python: await outputOf(python, '-c', 'import platform; print(platform.python_version())'),
    torch: await outputOf(python, '-c', 'import importlib.metadata as m; print(m.version("torch"))'),
    temporal: await outputOf(pinnedTemporal, '--version'),
  };
}

/** Returns file system and device of the root folder. */
function formatDisk(): string {
  const mounts = readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' '));
  const [device = '', , type = ''] = mounts.find(([, folder]) => folder === '/') ?? [];
  return `${type} on ${device.replace(/^\/dev\//, '')}`;
}

/** Writes the record as JSON if `out` is given. */
export async function saveRecord(out: string | undefined, record: object): Promise<void> {
  if (out === undefined) return;
  const text = JSON.stringify({ v: 1, ...record, loadAfter: loadavg() }, rounded, 1);
  await writeFile(out, `${text.replaceAll(projectRoot, '.')}\n`);
}

/** Rounds to microseconds; further digits are noise. */
const rounded = (_key: string, value: unknown): unknown =>
  typeof value === 'number' ? Math.round(value * 1e6) / 1e6 : value;
