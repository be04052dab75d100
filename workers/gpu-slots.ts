import type { ActivitySlotInfo, CustomSlotSupplier, SlotPermit } from '@temporalio/worker';

/**
 * How many tasks a GPU worker takes: as long as fewer than `room` of them wait for GPUs. Temporal does not say how many
 * GPUs a task needs, nor whether its trainer runs already and is only to be watched again; so a task is taken first and
 * waits then, in the queue of the machine. What is not taken stays with the server, for a worker that has room.
 */
export class GpuSlots implements CustomSlotSupplier<ActivitySlotInfo> {
  readonly type = 'custom';
  private readonly room: number;
  /** Permits of polls that no task has answered yet. */
  private readonly open = new Set<SlotPermit>();
  private waiting = 0;
  private readonly asking = new Set<() => void>();

  constructor(room: number) {
    this.room = room;
  }

  /** A task waits for GPUs. @returns what to call when it does no more. */
  enterQueue(): () => void {
    this.waiting += 1;
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.waiting -= 1;
      this.wake();
    };
  }

  async reserveSlot(_context: unknown, abort: AbortSignal): Promise<SlotPermit> {
    for (;;) {
      const permit = this.tryReserveSlot();
      if (permit !== null) return permit;
      await this.untilChanged(abort);
    }
  }

  tryReserveSlot(): SlotPermit | null {
    if (this.open.size + this.waiting >= this.room) return null;
    const permit = {};
    this.open.add(permit);
    return permit;
  }

  markSlotUsed({ permit }: { permit: SlotPermit }): void {
    this.close(permit);
  }

  releaseSlot({ permit }: { permit: SlotPermit }): void {
    this.close(permit);
  }

  private close(permit: SlotPermit): void {
    if (this.open.delete(permit)) this.wake();
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
