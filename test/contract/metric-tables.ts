/** Tables of docs/reference/metrics.md, between `<!-- metrics: GROUP -->` and `<!-- end -->`. */
import {
  attemptsMetric,
  diskMetrics,
  gpuMetrics,
  runMetrics,
  temporalUpMetric,
  trainingMetrics,
} from '../../configs/prometheus-metrics.ts';

const groups: Record<string, Record<string, string>> = {
  training: trainingMetrics,
  attempts: { [`${attemptsMetric.name}_total`]: attemptsMetric.help },
  gpu: gpuMetrics,
  runs: runMetrics,
  temporal: { [temporalUpMetric.name]: temporalUpMetric.help },
  disk: diskMetrics,
};

/** Names of all metrics of everswin. */
export const metricNames = Object.values(groups).flatMap((group) => Object.keys(group));

const marker = /(<!-- metrics: ([a-z]+) -->\n)[\s\S]*?(<!-- end -->)/g;

/** Returns the page with the tables of all markers filled in. Throws when a marker names no group. */
export const fillMetricTables = (page: string): string =>
  page.replace(marker, (_, begin: string, name: string, end: string) => {
    const group = groups[name];
    if (group === undefined) throw new Error(`docs/reference/metrics.md: no group of metrics is named ${name}`);
    const rows = Object.entries(group).map(([metric, help]) => `| \`${metric}\` | ${help} |`);
    return `${begin}\n${['| metric | meaning |', '| --- | --- |', ...rows].join('\n')}\n\n${end}`;
  });
