import type { ActivitySlotInfo, CustomSlotSupplier, SlotPermit } from '@temporalio/worker';

/** Activities that wait for GPUs before they start work. */
const gpuActivities = ['runTraining', 'joinTraining', 'runTest'];

/**
 * Slot supplier of a GPU worker: accepts tasks while fewer than `capacity` of them wait for GPUs. A poll cannot tell how
 * many GPUs a task needs, or whether its trainer already runs and only needs to be watched. The worker therefore accepts
 * the task first, and the task then waits in the GPU queue of the machine. Other tasks stay on the server, for a worker
 * with free capacity.
 */
export class GpuSlots implements CustomSlotSupplier<ActivitySlotInfo> {
  readonly type = 'custom';
  private readonly capacity: number;
  /** Permits of open polls. */
  private readonly polling = new Set<SlotPermit>();
  /** Permits of GPU activities. */
  private readonly used = new Set<SlotPermit>();
  private holding = 0;
  private readonly waiters = new Set<() => void>();

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  /** Runs `work` of an activity whose job has its GPUs, so that it no longer counts as waiting. */
  readonly withGpusHeld = async <T>(work: () => Promise<T>): Promise<T> => {
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
      await this.waitForChange(abort);
    }
  }

  tryReserveSlot(): SlotPermit | null {
    if (this.polling.size + this.used.size - this.holding >= this.capacity) return null;
    const permit = {};
    this.polling.add(permit);
    return permit;
  }

  markSlotUsed({ permit, slotInfo }: { permit: SlotPermit; slotInfo: ActivitySlotInfo }): void {
    this.polling.delete(permit);
    if (gpuActivities.includes(slotInfo.activityType)) this.used.add(permit);
    else this.wake();
  }

  releaseSlot({ permit }: { permit: SlotPermit }): void {
    this.polling.delete(permit);
    this.used.delete(permit);
    this.wake();
  }

  private wake(): void {
    for (const notify of [...this.waiters]) notify();
  }

  private waitForChange(abort: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (end: () => void) => () => {
        this.waiters.delete(notify);
        abort.removeEventListener('abort', stop);
        end();
      };
      const notify = settle(resolve);
      // The SDK treats the reason of its own signal as an orderly shutdown.
      const stop = settle(() => reject(abort.reason as Error));
      this.waiters.add(notify);
      abort.addEventListener('abort', stop);
      if (abort.aborted) stop();
    });
  }
}
