/** What the process of a mirror does: begins, flushes and stops when told, and says how it stands. */
import { runFolder } from '../../configs/paths.ts';
import { ToMirror, type FromMirror, type MirrorOrder } from './mirror-messages.ts';
import { openStore } from '../shared/store/open-store.ts';
import { startMirror, type RunMirror } from './run-mirror.ts';

const longestSilenceMs = 1_000;
let mirror: RunMirror | undefined;

// The worker is gone, however that came: the next one's mirror goes on where this one is.
process.once('disconnect', () => process.exit());
process.on('message', (message) => void obey(ToMirror.parse(message)));

async function obey(told: ToMirror): Promise<void> {
  switch (told.type) {
    case 'start':
      mirror = begin(told.order);
      return;
    case 'flush': {
      const state = await mirror?.flush(new AbortController().signal);
      if (state !== undefined) say({ type: 'flushed', id: told.id, state });
      return;
    }
    case 'stop':
      await mirror?.stop();
      process.exit();
  }
}

function begin({ home, runId, fence, address, s3, everyMs }: MirrorOrder): RunMirror {
  const store = openStore(address, { home, s3: { endpoint: s3.endpoint, region: s3.region } });
  const begun = startMirror({ store, folder: runFolder(home, runId), runId, fence, everyMs });
  setInterval(() => say({ type: 'state', state: begun.state() }), Math.min(everyMs, longestSilenceMs));
  return begun;
}

/** Nobody to listen is no error: then this process is about to end. */
function say(message: FromMirror): void {
  process.send?.(message, undefined, undefined, () => undefined);
}
