import { execa } from 'execa';
import { homeFolders } from '../../configs/paths.ts';

/** The UI that a CLI brings; from 2.53 on it draws the tables of our current details. */
const oldestUsableUi = [2, 53] as const;

/** The user's own `temporal` when it is new enough, else the one that the trainer's lock pins. */
export async function findTemporalCli(home: string): Promise<string> {
  const { stdout, failed } = await execa('temporal', ['--version'], { reject: false });
  return !failed && isCompatibleCli(stdout) ? 'temporal' : homeFolders(home).pinnedTemporal;
}

/** @param versionLine such as `temporal version 1.9.1 (Server 1.32.0, UI 2.54.1)`. */
export function isCompatibleCli(versionLine: string): boolean {
  const [, major, minor] = /\bUI (\d+)\.(\d+)/.exec(versionLine) ?? [];
  if (major === undefined || minor === undefined) return false;
  return (
    Number(major) > oldestUsableUi[0] || (Number(major) === oldestUsableUi[0] && Number(minor) >= oldestUsableUi[1])
  );
}

export interface ServerPorts {
  port: number;
  uiPort: number;
}

/** A dev server whose database survives restarts and power loss (WAL, synchronous=FULL), reachable from this machine only. */
export const devServerArgv = ({ port, uiPort }: ServerPorts, database: string): string[] => [
  ...['server', 'start-dev', '--ip', '127.0.0.1', '--port', String(port), '--ui-port', String(uiPort)],
  ...['--db-filename', database, '--sqlite-pragma', 'journal_mode=wal', '--sqlite-pragma', 'synchronous=2'],
  ...['--log-level', 'warn'],
];
