/**
 * Mirrors a run: `mirroring-child.ts ADDRESS HOME FILE SHA256 process|here`. For each input line, FILE becomes a new
 * checkpoint that replaces the last one. Once the store has it, the program prints the pids of the mirror.
 */
import { link, mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { MirrorProcess } from '../../activities/mirror/mirror-process.ts';
import { openStore } from '../../activities/shared/store/open-store.ts';
import { startMirror } from '../../activities/mirror/run-mirror.ts';
import { runFolder } from '../../configs/paths.ts';
import type { CheckpointManifest } from '../../configs/schema/index.ts';

const [address = '', home = '', file = '', sha256 = '', mode] = process.argv.slice(2);
const runId = 'bench';
const folder = runFolder(home, runId);
const s3 = { endpoint: undefined, region: undefined };
// The interval of activities/mirror/mirror.ts.
const pollMs = 2_000;
// A later measurement takes over the run of an earlier one.
const fence = Math.floor(Date.now() / 1000);
await mkdir(folder.train.checkpoints, { recursive: true });

const mirrorProcess = mode === 'process' ? new MirrorProcess({ home, runId, fence, address, s3, pollMs }) : undefined;
const mirror = mirrorProcess ?? startMirror({ store: openStore(address, { home, s3 }), folder, runId, fence, pollMs });
const flush = async () => {
  const { problem } = await mirror.flush(AbortSignal.timeout(300_000));
  if (problem !== null) throw new Error(problem);
  const pids = [process.pid, mirrorProcess?.pid].filter((pid) => pid !== undefined);
  console.log(JSON.stringify({ pids }));
};
const nameOf = (epoch: number) => `${folder.train.checkpoints}/e${String(epoch).padStart(3, '0')}`;

const keepAlive = setInterval(() => undefined, 1_000);
await flush();
let epoch = 0;
for await (const line of createInterface({ input: process.stdin })) {
  if (line !== 'next') throw new Error(`expected the line to be next, got ${line}`);
  await rm(`${nameOf(epoch)}.json`, { force: true });
  await rm(`${nameOf(epoch)}.pth`, { force: true });
  epoch += 1;
  const { size: bytes } = await stat(file);
  const checkpoint = {
    v: 1,
    file: `${nameOf(epoch).split('/').at(-1)}.pth`,
    bytes,
    sha256,
    epoch,
    iteration: epoch,
  } as const;
  const origin = { planHash: 'a'.repeat(64), attempt: 1, fence, createdAt: Date.now() / 1000, torch: null };
  const manifest: CheckpointManifest = { ...checkpoint, ...origin };
  await link(file, `${nameOf(epoch)}.pth`);
  await writeFile(`${nameOf(epoch)}.json`, JSON.stringify(manifest));
  await flush();
}
await mirror.stop();
clearInterval(keepAlive);
