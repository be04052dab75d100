import { findFreePort } from './free-port.ts';
import type { StackFile } from './stack-file.ts';
import { chooseHiddenAddress, type HiddenAddress } from './temporal-server.ts';

/** Addresses and ports of the stack's servers, all on loopback. */
export interface Endpoints {
  port: number;
  /** `host:port` of the Temporal server. */
  address: string;
  /** Temporal UI itself, behind the proxy at `uiUrl`. */
  ui: HiddenAddress;
  uiPort: number;
  uiUrl: string;
  pagesPort: number;
  pagesUrl: string;
  /** Null in a stack without the hook. */
  hookPort: number | null;
  hookUrl: string | null;
}

type Addresses = Pick<StackFile, 'address' | 'uiUrl' | 'pagesUrl' | 'hookUrl'>;

/**
 * Chooses the ports of the last stack, so that open pages find the next one, or the default ports; free ones where those
 * are in use.
 */
export async function chooseEndpoints(withHook: boolean, last: Partial<Addresses> = {}): Promise<Endpoints> {
  const port = await findFreePort(portOf(last.address) ?? 7233);
  const uiPort = await findFreePort(portOf(last.uiUrl) ?? 8233);
  const pagesPort = await findFreePort(portOf(last.pagesUrl) ?? 8235);
  const hookPort = withHook ? await findFreePort(portOf(last.hookUrl) ?? 8236) : null;
  return {
    port,
    address: `127.0.0.1:${port}`,
    ui: await chooseHiddenAddress(),
    uiPort,
    uiUrl: `http://127.0.0.1:${uiPort}`,
    pagesPort,
    pagesUrl: `http://127.0.0.1:${pagesPort}`,
    hookPort,
    hookUrl: hookPort === null ? null : `http://127.0.0.1:${hookPort}`,
  };
}

/** Addresses at which the workers of the stack serve metrics. */
export interface MetricsAddresses {
  control: string;
  gpu: string;
}

/** Chooses the ports that infra/monitoring/prometheus.yml scrapes, or free ones where those are in use. */
export async function chooseMetricsAddresses(): Promise<MetricsAddresses> {
  const control = `127.0.0.1:${await findFreePort(9464)}`;
  return { control, gpu: `127.0.0.1:${await findFreePort(9465)}` };
}

/** Returns the port of `host:port` or of a URL. */
function portOf(address: string | null | undefined): number | undefined {
  const [, port] = /:(\d+)$/.exec(address ?? '') ?? [];
  return port === undefined ? undefined : Number(port);
}
