/** Mirror process: handles the commands start, flush and stop, and reports its state. */
import { runFolder } from '../../configs/paths.ts';
import { MirrorCommand, type MirrorReport, type MirrorConfig } from './mirror-messages.ts';
import { openStore } from '../shared/store/open-store.ts';
import { startMirror, type RunMirror } from './run-mirror.ts';

const maxReportIntervalMs = 1_000;
let mirror: RunMirror | undefined;

// The worker has ended; the mirror of the next one continues.
process.once('disconnect', () => process.exit());
process.on('message', (message) => void handleCommand(MirrorCommand.parse(message)));

async function handleCommand(command: MirrorCommand): Promise<void> {
  switch (command.type) {
    case 'start':
      mirror = startMirroring(command.config);
      return;
    case 'flush': {
      const state = await mirror?.flush(new AbortController().signal);
      if (state !== undefined) send({ type: 'flushed', id: command.id, state });
      return;
    }
    case 'stop':
      await mirror?.stop();
      process.exit();
  }
}

function startMirroring({ home, runId, fence, address, s3, pollMs }: MirrorConfig): RunMirror {
  const store = openStore(address, { home, s3: { endpoint: s3.endpoint, region: s3.region } });
  const started = startMirror({ store, folder: runFolder(home, runId), runId, fence, pollMs });
  setInterval(() => send({ type: 'state', state: started.state() }), Math.min(pollMs, maxReportIntervalMs));
  return started;
}

/** Sends a report. A closed channel is not an error, because this process is about to end. */
function send(message: MirrorReport): void {
  process.send?.(message, undefined, undefined, () => undefined);
}
