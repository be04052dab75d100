import type { Progress } from '../../../configs/schema/index.ts';

type Speed = Pick<Progress, 'imagesPerSecond' | 'mfu'>;

/** Formats the speed as figures, such as `7.31 images/s` and `MFU 31.2 %`. Leaves out those that are not known. */
export const listSpeed = ({ imagesPerSecond, mfu }: Speed): string[] => [
  ...(imagesPerSecond == null ? [] : [`${formatImages(imagesPerSecond)} images/s`]),
  ...(mfu == null ? [] : [formatMfu(mfu)]),
];

/** Rounds images per second to three significant digits. */
export const formatImages = (imagesPerSecond: number): string =>
  imagesPerSecond >= 100
    ? Math.round(imagesPerSecond).toLocaleString('en-US')
    : String(Number(imagesPerSecond.toPrecision(3)));

/** Formats a model FLOPs utilization, such as `MFU 31.2 %`. */
export const formatMfu = (mfu: number): string => `MFU ${(100 * mfu).toFixed(1)} %`;
