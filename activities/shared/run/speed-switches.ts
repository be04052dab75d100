import type { SpeedSwitches } from '../../../configs/schema/index.ts';

/** Lists the enabled speed switches, sorted by name. */
export const activeSwitches = (speed: SpeedSwitches): string[] =>
  Object.entries(speed)
    .filter(([, isOn]) => isOn)
    .map(([name]) => name)
    .sort();

const KEEP_WEIGHTS: readonly string[] = [
  'halfPrecisionValidation',
  'fewerSyncs',
  'expandableSegments',
] satisfies (keyof SpeedSwitches)[];

/** Lists the enabled switches that may change the trained weights. */
export const weightSwitches = (speed: SpeedSwitches): string[] =>
  activeSwitches(speed).filter((name) => !KEEP_WEIGHTS.includes(name));
