import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import type { RunStatus } from '../../configs/schema/index.ts';
import type { trainDetector } from '../../workflows/index.ts';
import { queryRunStatus } from '../client/follow-run.ts';
import { readStackFile } from '../stack/stack-file.ts';

interface Crash {
  what: string;
  /** Not before so many epochs are done, so that each crash meets a training that is going on. */
  afterEpoch: number;
  findPid: (home: string, status: RunStatus) => Promise<number | null | undefined>;
}

const stackProcess = (name: string) => async (home: string) => (await readStackFile(home))?.processes[name];

const crashes: Crash[] = [
  { what: 'trainer rank', afterEpoch: 1, findPid: (_home, { progress }) => Promise.resolve(progress?.pid) },
  { what: 'GPU worker', afterEpoch: 2, findPid: stackProcess('gpu-worker') },
  { what: 'Temporal server', afterEpoch: 4, findPid: stackProcess('temporal-server') },
];

/** kill -9 of a trainer rank, the GPU worker and the Temporal server, one after the other, in the middle of training. */
export async function injectCrashes(
  handle: WorkflowHandle<typeof trainDetector>,
  home: string,
  say: (line: string) => void,
): Promise<void> {
  for (const { what, afterEpoch, findPid } of crashes) {
    const status = await waitForEpoch(handle, afterEpoch);
    const pid = await findPid(home, status);
    if (pid == null) throw new Error(`There is no pid of the ${what} to kill.`);
    process.kill(pid, 'SIGKILL');
    say(`>>> kill -9 ${pid} (${what})`);
  }
}

/** The trainer is in the middle of an epoch after `epoch`, so that the kill costs something. */
async function waitForEpoch(handle: WorkflowHandle<typeof trainDetector>, epoch: number): Promise<RunStatus> {
  for (;;) {
    const status = await queryRunStatus(handle);
    const progress = status?.progress;
    if (status?.stage === 'training' && progress != null && progress.epoch > epoch) return status;
    await sleep(500);
  }
}
