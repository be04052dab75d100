import { setTimeout as sleep } from 'node:timers/promises';
import { Gauge, type Registry } from 'prom-client';

/** Values of some gauges for one set of labels. A gauge without a value has no series. */
export interface Sample<Name extends string> {
  labels: Record<string, string>;
  values: Partial<Record<Name, number | null | undefined>>;
}

/** Updates the metrics of a group before a scrape. */
export type Collect = () => Promise<void>;

/** Adds gauges that have exactly the series of the newest reading, so that those of ended runs disappear. */
export function addGauges<Name extends string>(
  registry: Registry,
  metrics: Record<Name, string>,
  labelNames: readonly string[],
  read: () => Promise<Sample<Name>[]>,
): Collect {
  const registers = [registry];
  const gauges = Object.entries<string>(metrics).map(([name, help]) => ({
    name: name as Name, // Object.entries widens the keys
    gauge: new Gauge({ name, help, labelNames, registers }),
  }));
  return async () => {
    const samples = await read();
    for (const { name, gauge } of gauges) {
      gauge.reset();
      for (const { labels, values } of samples) if (values[name] != null) gauge.set(labels, values[name]);
    }
  };
}

const scrapeLimitMs = 2_000;

/**
 * Bounds a reading of a disk or server that may hang: scrapes share one reading and wait at most two seconds for it.
 * @param otherwise result of a reading that fails or takes longer.
 */
export function boundReading<T>(read: () => Promise<T>, otherwise: T): () => Promise<T> {
  let reading: Promise<T> | undefined;
  return () => {
    reading ??= read()
      .catch(() => otherwise)
      .finally(() => (reading = undefined));
    return Promise.race([reading, sleep(scrapeLimitMs, otherwise, { ref: false })]);
  };
}
