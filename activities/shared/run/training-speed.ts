import type { Report } from '../../../configs/schema/index.ts';
import type { RunRecord } from './run-record.ts';

type TrainingSpeed = NonNullable<Report['speed']>;

/**
 * Returns the mean speed of a run and of its epochs. Only the time in steps that no later trainer repeated counts, so
 * pauses, crashes and validation do not matter.
 * @returns undefined if the trainer recorded no speed.
 */
export function measureSpeed(steps: RunRecord['steps']): TrainingSpeed | undefined {
  const epochs = new Map<number, SpeedSum>();
  const total = new SpeedSum();
  for (const [index, epoch] of steps.epoch.entries()) {
    const sum = epochs.get(epoch) ?? new SpeedSum();
    epochs.set(epoch, sum);
    for (const one of [sum, total])
      one.add(steps.seconds[index] ?? 0, steps.imagesPerSecond[index] ?? NaN, steps.mfu[index] ?? NaN);
  }
  const speed = total.mean();
  if (speed === undefined) return undefined;
  const means = [...epochs].flatMap(([epoch, sum]) => {
    const mean = sum.mean();
    return mean === undefined ? [] : [{ epoch, ...mean }];
  });
  return { ...speed, epochs: means };
}

/** Sums steps of known speed. Means are weighted with time: images and operations add up. */
class SpeedSum {
  private images = 0;
  private imageSeconds = 0;
  private utilized = 0;
  private mfuSeconds = 0;

  /** Adds steps; NaN is unknown. */
  add(seconds: number, imagesPerSecond: number, mfu: number): void {
    if (!Number.isNaN(imagesPerSecond)) {
      this.images += imagesPerSecond * seconds;
      this.imageSeconds += seconds;
    }
    if (Number.isNaN(mfu)) return;
    this.utilized += mfu * seconds;
    this.mfuSeconds += seconds;
  }

  mean(): Pick<TrainingSpeed, 'imagesPerSecond' | 'mfu'> | undefined {
    if (this.imageSeconds <= 0) return undefined;
    const mfu = this.mfuSeconds > 0 ? this.utilized / this.mfuSeconds : null;
    return { imagesPerSecond: this.images / this.imageSeconds, mfu };
  }
}
