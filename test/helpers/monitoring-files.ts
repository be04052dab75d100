/** Parses the dashboard and finds the metrics that a query names. */
import { z } from 'zod';

/** The part of a Grafana dashboard that matters here. */
export const Dashboard = z.object({
  uid: z.string(),
  title: z.string(),
  panels: z.array(
    z.object({
      id: z.int(),
      title: z.string(),
      gridPos: z.object({ h: z.int(), w: z.int(), x: z.int(), y: z.int() }),
      targets: z
        .array(z.object({ expr: z.string(), datasource: z.object({ uid: z.literal('${datasource}') }) }))
        .default([]),
    }),
  ),
});

/** Lists the queries of all panels, for all runs. */
export const listQueries = ({ panels }: z.infer<typeof Dashboard>): string[] =>
  panels.flatMap(({ targets }) => targets.map(({ expr }) => expr.replaceAll('$run', '.*')));

/** Lists the metrics of everswin and of the Temporal SDK that a text names. */
export const listMetrics = (text: string): string[] => [
  ...new Set([...text.matchAll(/\b(?:everswin|temporal)_[a-z0-9_]+/g)].map(([name]) => name)),
];
