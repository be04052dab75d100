import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import type { RunStatus } from '../../configs/schema/index.ts';
import type { trainDetector } from '../../workflows/index.ts';
import { queryRunStatus } from '../client/follow-run.ts';
import { readStackFile } from '../stack/stack-file.ts';

interface Crash {
  name: string;
  /** Completed epochs before the crash, so that each crash interrupts a running training. */
  afterEpoch: number;
  findPid: (home: string, status: RunStatus) => Promise<number | null | undefined>;
}

const stackProcess = (name: string) => async (home: string) => (await readStackFile(home))?.processes[name];

const crashes: Crash[] = [
  { name: 'trainer rank', afterEpoch: 1, findPid: (_home, { progress }) => Promise.resolve(progress?.pid) },
  { name: 'GPU worker', afterEpoch: 2, findPid: stackProcess('gpu-worker') },
  { name: 'Temporal server', afterEpoch: 4, findPid: stackProcess('temporal-server') },
];

/** Kills a trainer rank, the GPU worker and the Temporal server with SIGKILL, one after the other, during training. */
export async function injectCrashes(
  handle: WorkflowHandle<typeof trainDetector>,
  home: string,
  log: (line: string) => void,
): Promise<void> {
  for (const { name, afterEpoch, findPid } of crashes) {
    const status = await waitForEpoch(handle, afterEpoch);
    const pid = await findPid(home, status);
    if (pid == null) throw new Error(`The ${name} is not running, so it cannot be killed.`);
    process.kill(pid, 'SIGKILL');
    log(`>>> kill -9 ${pid} (${name})`);
  }
}

/** Waits until training is inside an epoch after `epoch`, so that the kill costs some steps. */
async function waitForEpoch(handle: WorkflowHandle<typeof trainDetector>, epoch: number): Promise<RunStatus> {
  for (;;) {
    const status = await queryRunStatus(handle);
    const progress = status?.progress;
    if (status?.stage === 'training' && progress != null && progress.epoch > epoch) return status;
    await sleep(500);
  }
}
