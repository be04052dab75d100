import type { ActivitySlotInfo, CustomSlotSupplier, SlotPermit } from '@temporalio/worker';

/** Activities that need GPUs before they can do anything. */
const gpuActivities = ['runTraining', 'joinTraining', 'runTest'];

/**
 * How many tasks a GPU worker takes: as long as fewer than `room` of them wait for GPUs. Temporal does not say how many
 * GPUs a task needs, nor whether its trainer runs already and is only to be watched again; so a task is taken first and
 * waits then, in the queue of the machine. What is not taken stays with the server, for a worker that has room.
 */
export class GpuSlots implements CustomSlotSupplier<ActivitySlotInfo> {
  readonly type = 'custom';
  private readonly room: number;
  /** Permits of polls that no task has answered yet, and those of jobs. */
  private readonly open = new Set<SlotPermit>();
  private readonly used = new Set<SlotPermit>();
  private holding = 0;
  private readonly asking = new Set<() => void>();

  constructor(room: number) {
    this.room = room;
  }

  /** For the activity: from here on its job has GPUs. */
  readonly whileHolding = async <T>(work: () => Promise<T>): Promise<T> => {
    this.holding += 1;
    this.wake();
    try {
      return await work();
    } finally {
      this.holding -= 1;
    }
  };

  async reserveSlot(_context: unknown, abort: AbortSignal): Promise<SlotPermit> {
    for (;;) {
      const permit = this.tryReserveSlot();
      if (permit !== null) return permit;
      await this.untilChanged(abort);
    }
  }

  tryReserveSlot(): SlotPermit | null {
    if (this.open.size + this.used.size - this.holding >= this.room) return null;
    const permit = {};
    this.open.add(permit);
    return permit;
  }

  markSlotUsed({ permit, slotInfo }: { permit: SlotPermit; slotInfo: ActivitySlotInfo }): void {
    this.open.delete(permit);
    if (gpuActivities.includes(slotInfo.activityType)) this.used.add(permit);
    else this.wake();
  }

  releaseSlot({ permit }: { permit: SlotPermit }): void {
    this.open.delete(permit);
    this.used.delete(permit);
    this.wake();
  }

  private wake(): void {
    for (const go of [...this.asking]) go();
  }

  private untilChanged(abort: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (end: () => void) => () => {
        this.asking.delete(go);
        abort.removeEventListener('abort', stop);
        end();
      };
      const go = settle(resolve);
      // The SDK takes the signal's own reason for an orderly end.
      const stop = settle(() => reject(abort.reason as Error));
      this.asking.add(go);
      abort.addEventListener('abort', stop);
      if (abort.aborted) stop();
    });
  }
}
