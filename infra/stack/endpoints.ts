import { findFreePort } from './free-port.ts';

/** Addresses and ports of the stack's servers, all on 127.0.0.1. */
export interface Endpoints {
  port: number;
  /** `host:port` of the Temporal server. */
  address: string;
  uiPort: number;
  uiUrl: string;
  pagesPort: number;
  pagesUrl: string;
  /** Null in a stack without the hook. */
  hookPort: number | null;
  hookUrl: string | null;
}

/** Chooses the default ports, or free ones where those are in use. */
export async function chooseEndpoints({ withHook }: { withHook: boolean }): Promise<Endpoints> {
  const port = await findFreePort(7233);
  const uiPort = await findFreePort(8233);
  const pagesPort = await findFreePort(8235);
  const hookPort = withHook ? await findFreePort(8236) : null;
  return {
    port,
    address: `127.0.0.1:${port}`,
    uiPort,
    uiUrl: `http://127.0.0.1:${uiPort}`,
    pagesPort,
    pagesUrl: `http://127.0.0.1:${pagesPort}`,
    hookPort,
    hookUrl: hookPort === null ? null : `http://127.0.0.1:${hookPort}`,
  };
}
