/** Serves the metrics of a worker to Prometheus: its own and those of the Temporal SDK, at one address. */
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { resolve } from 'node:path';
import { Runtime, type TelemetryOptions } from '@temporalio/worker';
import { Registry } from 'prom-client';
import { systemErrorCode } from '../../activities/shared/errors/coded-error.ts';
import { readDiskSpace } from '../../activities/shared/files/free-space.ts';
import { findFreePort } from '../../activities/shared/trainer/free-port.ts';
import { diskMetrics } from '../../configs/prometheus-metrics.ts';
import { readEnv } from '../env.ts';
import { createLogger } from '../log-format.ts';
import { addGauges, boundReading, type Collect } from './gauges.ts';
import { findListener } from './find-listener.ts';

/** Variables with the address of each worker, so that both workers of a machine can share one environment. */
type MetricsVariable = 'EVERSWIN_CONTROL_METRICS_ADDRESS' | 'EVERSWIN_GPU_METRICS_ADDRESS';

/** Interval at which the server learns that a worker runs, for `temporal worker list`. Servers without the list get none. */
const workerHeartbeatInterval = '10 seconds';

/** Time that a connection has for a request: Prometheus sends it at once. */
const requestTimeoutMs = 5_000;

/** Installs the Temporal runtime and runs a worker. Meanwhile, serves its metrics if the variable is set. */
export async function withMetrics(
  variable: MetricsVariable,
  addMetrics: (registry: Registry) => Collect[],
  work: () => Promise<void>,
): Promise<void> {
  const { [variable]: address, EVERSWIN_HOME } = readEnv();
  if (address === undefined) {
    installRuntime({});
    return work();
  }
  const registry = new Registry();
  const collectors = [...addMetrics(registry), addDiskMetrics(registry, resolve(EVERSWIN_HOME))];
  const sdkAddress = `127.0.0.1:${await findFreePort()}`;
  const readSdkMetrics = boundReading(async () => (await fetch(`http://${sdkAddress}/metrics`)).text(), '');
  const close = await serve(variable, address, async () => {
    await Promise.all(collectors.map((collect) => collect()));
    return `${await registry.metrics()}\n${await readSdkMetrics()}`;
  });
  console.log(`Metrics at http://${address}/metrics`);
  try {
    installRuntime({ metrics: sdkMetrics(sdkAddress) });
    await work();
  } finally {
    close();
  }
}

function addDiskMetrics(registry: Registry, home: string): Collect {
  const read = boundReading(async () => [await readDiskSpace(home)], []);
  return addGauges(registry, diskMetrics, ['home'], async () =>
    (await read()).map(({ freeBytes, totalBytes }) => ({
      labels: { home },
      values: { everswin_disk_free_bytes: freeBytes, everswin_disk_size_bytes: totalBytes },
    })),
  );
}

/** Serves the metrics of the SDK on the loopback interface. Their names follow the conventions of Prometheus. */
const sdkMetrics = (bindAddress: string): TelemetryOptions['metrics'] => ({
  prometheus: { bindAddress, countersTotalSuffix: true, unitSuffix: true, useSecondsForDurations: true },
  attachServiceName: false,
});

/** Installs the only Temporal runtime of this process. */
const installRuntime = (telemetryOptions: TelemetryOptions): Runtime =>
  Runtime.install({
    logger: createLogger(),
    // The native part of the SDK would print its own text to the console.
    telemetryOptions: { ...telemetryOptions, logging: { filter: { core: 'WARN', other: 'ERROR' }, forward: {} } },
    workerHeartbeatInterval,
  });

/** @throws Error that says why the address cannot be used. */
async function serve(variable: MetricsVariable, address: string, read: () => Promise<string>): Promise<() => void> {
  const server = createServer(
    {
      requestTimeout: requestTimeoutMs,
      headersTimeout: requestTimeoutMs,
      connectionsCheckingInterval: requestTimeoutMs / 5,
    },
    (request, response) => {
      const isScrape = request.url?.split('?', 1)[0] === '/metrics' && request.method === 'GET';
      if (isScrape) void answer(response, read);
      else response.writeHead(404).end('Metrics are at /metrics.\n');
    },
  );
  const [, host = '', port = ''] = /^\[?([^\]]*)\]?:(\d+)$/.exec(address) ?? [];
  server.listen(Number(port), host);
  try {
    await once(server, 'listening');
  } catch (error) {
    const why = await explain(error, Number(port));
    throw new Error(
      `Cannot serve metrics at ${address}: ${why}. Set ${variable} to another HOST:PORT, or unset it to serve none.`,
      { cause: error },
    );
  }
  return () => {
    server.close();
    server.closeAllConnections();
  };
}

async function answer(response: ServerResponse, read: () => Promise<string>): Promise<void> {
  try {
    const text = await read();
    response.writeHead(200, { 'content-type': Registry.PROMETHEUS_CONTENT_TYPE }).end(text);
  } catch (error) {
    console.error(error);
    response.writeHead(500).end('The metrics could not be read. The log of the worker has the details.\n');
  }
}

const reasons = new Map([
  ['EADDRNOTAVAIL', 'this machine does not have that address'],
  ['EACCES', 'this user may not open that port'],
  ['ENOTFOUND', 'the host name cannot be resolved'],
  ['EAI_AGAIN', 'the host name cannot be resolved'],
]);

async function explain(error: unknown, port: number): Promise<string> {
  const code = systemErrorCode(error) ?? '';
  if (code === 'EADDRINUSE')
    return `port ${port} is in use by ${(await findListener(port)) ?? 'a process of another user'}`;
  return reasons.get(code) ?? String(error);
}
