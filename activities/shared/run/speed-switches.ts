import type { SpeedSwitches } from '../../../configs/schema/index.ts';

/** Lists the enabled speed switches, sorted by name. */
export const activeSwitches = (speed: SpeedSwitches): string[] =>
  Object.entries(speed)
    .filter(([, isOn]) => isOn)
    .map(([name]) => name)
    .sort();

/** Lists the enabled switches that may change the trained weights, which excludes those of validation. */
export const weightSwitches = (speed: SpeedSwitches): string[] =>
  activeSwitches(speed).filter((name) => name !== ('halfPrecisionValidation' satisfies keyof SpeedSwitches));
