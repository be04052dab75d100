import type { SpeedSwitches } from '../../../configs/schema/index.ts';

/** Those that are on, sorted by name. */
export const activeSwitches = (speed: SpeedSwitches): string[] =>
  Object.entries(speed)
    .filter(([, isOn]) => isOn)
    .map(([name]) => name)
    .sort();

/** Those that may change a last digit of the weights: the validation decides none. */
export const weightSwitches = (speed: SpeedSwitches): string[] =>
  activeSwitches(speed).filter((name) => name !== ('halfPrecisionValidation' satisfies keyof SpeedSwitches));
