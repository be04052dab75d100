import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { namespace } from '../../configs/names.ts';
import { connect } from '../../workers/connect.ts';
import { toolPath } from '../../workers/env.ts';
import { prepareNamespace } from '../../workers/prepare-namespace.ts';
import { findFreePort } from './free-port.ts';

/** Oldest supported version of the bundled Temporal UI; older ones do not render the tables of our current details. */
const minimumUi = [2, 53] as const;
const startupTimeoutMs = 60_000;
/** Days for which the stack keeps finished workflows; the server itself would keep them for one. */
const retentionDays = 400;

/** Returns the user's own `temporal` if it is recent enough, else the one that the trainer's lock file pins. */
export async function findTemporalCli(home: string): Promise<string> {
  const { stdout, failed } = await execa('temporal', ['--version'], { reject: false });
  return !failed && isCompatibleCli(stdout) ? 'temporal' : toolPath(home, 'temporal');
}

/** @param versionLine for example `temporal version 1.9.1 (Server 1.32.0, UI 2.54.1)`. */
export function isCompatibleCli(versionLine: string): boolean {
  const [, major, minor] = /\bUI (\d+)\.(\d+)/.exec(versionLine) ?? [];
  if (major === undefined || minor === undefined) return false;
  return Number(major) > minimumUi[0] || (Number(major) === minimumUi[0] && Number(minor) >= minimumUi[1]);
}

export interface ServerPorts {
  port: number;
  /** Undefined starts the server without the UI. */
  ui?: HiddenAddress;
}

/** Address of the Temporal UI itself, which only the proxy in front of it knows. */
export interface HiddenAddress {
  host: string;
  port: number;
}

/**
 * Chooses one of the 16 million loopback addresses of Linux and a free port for the UI, which checks neither the host
 * name nor the sender of a request. A web page cannot find this address: it would have to try 10^11 combinations.
 */
export const chooseHiddenAddress = async (): Promise<HiddenAddress> => ({
  host: ['127', ...Array.from({ length: 3 }, () => randomInt(1, 255))].join('.'),
  port: await findFreePort(0),
});

/** The HTTP API of the server accepts requests of any web page. No client of ours uses it, so no host name is allowed. */
const noHttpApi = ['--dynamic-config-value', 'frontend.httpAllowedHosts=["none.invalid"]'];

/** Arguments of a dev server on 127.0.0.1 whose database survives restarts and power loss (WAL, synchronous=FULL). */
export const devServerArgv = ({ port, ui }: ServerPorts, database: string): string[] => [
  ...['server', 'start-dev', '--ip', '127.0.0.1', '--port', String(port), ...noHttpApi],
  ...(ui === undefined ? ['--headless'] : ['--ui-ip', ui.host, '--ui-port', String(ui.port)]),
  ...['--db-filename', database, '--sqlite-pragma', 'journal_mode=wal', '--sqlite-pragma', 'synchronous=2'],
  ...['--log-level', 'warn'],
];

/** Waits until the server answers, and prepares its namespace. Its database may be older than a search attribute. */
export async function waitForServer(address: string, logFile: string): Promise<void> {
  const deadline = performance.now() + startupTimeoutMs;
  for (;;) {
    try {
      const { connection } = await connect({ address, namespace });
      const checks = await prepareNamespace({ connection, namespace }, { retentionDays });
      await connection.close();
      const failed = checks.find(({ verdict }) => verdict !== 'ok');
      if (failed !== undefined) throw new Error(failed.message);
      return;
    } catch (cause) {
      if (performance.now() > deadline) {
        const seconds = startupTimeoutMs / 1000;
        throw new Error(
          `The Temporal server at ${address} did not start within ${seconds} s. Read its log: ${logFile}`,
          {
            cause,
          },
        );
      }
      await sleep(200);
    }
  }
}
