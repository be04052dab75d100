import type { Client } from '@temporalio/client';
import { Gauge, type Registry } from 'prom-client';
import { ownWorkflows, workflowIdPrefix } from '../../configs/names.ts';
import { runMetrics, temporalUpMetric, type RunMetric } from '../../configs/prometheus-metrics.ts';
import { addGauges, boundReading, type Collect, type Sample } from './gauges.ts';

/** Bounds the number of series, and the requests to the server. */
const maxRuns = 500;
const labelNames = ['run', 'workflow_type', 'recipe', 'phase'];

/**
 * Adds the metrics of the running workflows, which the server lists.
 * @param connected returns the client once the worker is connected.
 */
export function addRunMetrics(registry: Registry, connected: () => Client | undefined): Collect {
  const up = new Gauge({ ...temporalUpMetric, registers: [registry] });
  const list = boundReading(async () => {
    const client = connected();
    return client === undefined ? undefined : listRuns(client);
  }, undefined);
  return addGauges(registry, runMetrics, labelNames, async () => {
    const runs = await list();
    up.set(Number(runs !== undefined));
    return runs ?? [];
  });
}

async function listRuns({ workflow }: Client): Promise<Sample<RunMetric>[]> {
  const samples: Sample<RunMetric>[] = [];
  const query = `${ownWorkflows} AND ExecutionStatus = 'Running'`;
  let count = 0;
  for await (const { workflowId, type, typedSearchAttributes } of workflow.list({ query, pageSize: maxRuns })) {
    const attributes = Object.fromEntries(typedSearchAttributes.getAll().map(({ key, value }) => [key.name, value]));
    const { Phase: phase, Recipe: recipe, Goodput: goodput } = attributes;
    const run = workflowId.slice(workflowIdPrefix.length).replace(/^[a-z]+:/, '');
    const labels = { run, workflow_type: type, recipe: typeof recipe === 'string' ? recipe : '' };
    if (typeof phase === 'string') samples.push({ labels: { ...labels, phase }, values: { everswin_run_phase: 1 } });
    if (typeof goodput === 'number') samples.push({ labels, values: { everswin_run_goodput_ratio: goodput } });
    if (++count === maxRuns) break;
  }
  return samples;
}
