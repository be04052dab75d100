/** What the process of a mirror does: begins, flushes and stops when told, and says how it stands. */
import { runFolder } from '../../configs/paths.ts';
import { MirrorCommand, type MirrorReport, type MirrorConfig } from './mirror-messages.ts';
import { openStore } from '../shared/store/open-store.ts';
import { startMirror, type RunMirror } from './run-mirror.ts';

const maxReportIntervalMs = 1_000;
let mirror: RunMirror | undefined;

// The worker is gone, however that came: the next one's mirror goes on where this one is.
process.once('disconnect', () => process.exit());
process.on('message', (message) => void handleCommand(MirrorCommand.parse(message)));

async function handleCommand(told: MirrorCommand): Promise<void> {
  switch (told.type) {
    case 'start':
      mirror = startMirroring(told.order);
      return;
    case 'flush': {
      const state = await mirror?.flush(new AbortController().signal);
      if (state !== undefined) send({ type: 'flushed', id: told.id, state });
      return;
    }
    case 'stop':
      await mirror?.stop();
      process.exit();
  }
}

function startMirroring({ home, runId, fence, address, s3, everyMs }: MirrorConfig): RunMirror {
  const store = openStore(address, { home, s3: { endpoint: s3.endpoint, region: s3.region } });
  const begun = startMirror({ store, folder: runFolder(home, runId), runId, fence, everyMs });
  setInterval(() => send({ type: 'state', state: begun.state() }), Math.min(everyMs, maxReportIntervalMs));
  return begun;
}

/** Nobody to listen is no error: then this process is about to end. */
function send(message: MirrorReport): void {
  process.send?.(message, undefined, undefined, () => undefined);
}
