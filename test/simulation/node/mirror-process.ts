/** Replaces activities/mirror/mirror-process.ts: the real mirror, in the process of its worker. */
import { runFolder } from '../../../configs/paths.ts';
import type { MirrorConfig, MirrorState } from '../../../activities/mirror/mirror-messages.ts';
import { startMirror, type RunMirror } from '../../../activities/mirror/run-mirror.ts';
import { localStore } from '../../../activities/shared/store/local-store.ts';

export class MirrorProcess implements RunMirror {
  private readonly mirror: RunMirror;

  constructor({ home, runId, fence, pollMs }: MirrorConfig) {
    const store = localStore(`${home}/store`);
    this.mirror = startMirror({ store, folder: runFolder(home, runId), runId, fence, pollMs });
  }

  state(): MirrorState {
    return this.mirror.state();
  }

  flush(signal: AbortSignal): Promise<MirrorState> {
    return this.mirror.flush(signal);
  }

  stop(): Promise<void> {
    return this.mirror.stop();
  }
}
