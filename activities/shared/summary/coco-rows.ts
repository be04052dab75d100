import type { CocoMetrics } from '../../../configs/schema/index.ts';

/** Line of the COCO evaluation summary. */
export interface ApRow {
  readonly key: keyof CocoMetrics;
  readonly measure: 'Average Precision (AP)' | 'Average Recall (AR)';
  readonly iou: string;
  readonly area: 'all' | 'small' | 'medium' | 'large';
  readonly maxDets: 100 | 300 | 1000;
}

const precision = { measure: 'Average Precision (AP)', iou: '0.50:0.95', area: 'all', maxDets: 1000 } as const;
const recall = { ...precision, measure: 'Average Recall (AR)' } as const;

/** The twelve lines in the order of pycocotools. Its summary always limits the first one to 100 detections. */
export const apRows: readonly ApRow[] = [
  { ...precision, key: 'AP', maxDets: 100 },
  { ...precision, key: 'AP50', iou: '0.50' },
  { ...precision, key: 'AP75', iou: '0.75' },
  { ...precision, key: 'APs', area: 'small' },
  { ...precision, key: 'APm', area: 'medium' },
  { ...precision, key: 'APl', area: 'large' },
  { ...recall, key: 'AR100', maxDets: 100 },
  { ...recall, key: 'AR300', maxDets: 300 },
  { ...recall, key: 'AR1000' },
  { ...recall, key: 'ARs', area: 'small' },
  { ...recall, key: 'ARm', area: 'medium' },
  { ...recall, key: 'ARl', area: 'large' },
];

/** Box and mask metrics, in print order. */
export const apKinds = [
  { key: 'bbox', title: 'Box', plural: 'Boxes' },
  { key: 'segm', title: 'Mask', plural: 'Masks' },
] as const;

/** Formats a row as pycocotools does: `@[ IoU=0.50:0.95 | area=all | maxDets=100 ]`. */
export const formatApRow = (row: ApRow): string => `@[ IoU=${row.iou} | area=${row.area} | maxDets=${row.maxDets} ]`;
