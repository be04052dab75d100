import { z } from 'zod';
import type { Setting } from '../../../configs/schema/index.ts';

/** Box head of one cascade stage: the settings that decide how boxes are classified and regressed. */
const BoxHead = z.object({
  type: z.string(),
  num_shared_convs: z.int().optional(),
  num_shared_fcs: z.int().optional(),
  norm_cfg: z.object({ type: z.string() }).nullish(),
  reg_class_agnostic: z.boolean().optional(),
  reg_decoded_bbox: z.boolean().optional(),
  loss_bbox: z.object({ type: z.string(), loss_weight: z.number().default(1) }),
});
type BoxHead = z.infer<typeof BoxHead>;

export const RoiHead = z.object({ bbox_head: z.union([z.array(BoxHead).min(1), BoxHead.transform((one) => [one])]) });

/** Layers of the heads that MMDetection defines by name. */
const namedHeads: Record<string, { convs: number; fcs: number }> = {
  Shared2FCBBoxHead: { convs: 0, fcs: 2 },
  Shared4Conv1FCBBoxHead: { convs: 4, fcs: 1 },
};

/** Formats `4 convolutions with SyncBN and 1 fully connected layer`. Lists every variant if the stages differ. */
export const formatBoxHeads = (heads: readonly BoxHead[]): Setting => ({ value: formatDistinct(heads, formatLayers) });

/** Formats the box loss, such as `GIoU on decoded boxes, weight 10`. */
export const formatBoxLoss = (heads: readonly BoxHead[]): Setting => ({
  value: formatDistinct(heads, ({ loss_bbox: loss, reg_decoded_bbox: isDecoded }) => {
    const name = loss.type.replace(/Loss$/, '');
    return `${name} on ${isDecoded === true ? 'decoded boxes' : 'deltas'}, weight ${loss.loss_weight}`;
  }),
});

export const formatBoxRegression = (heads: readonly BoxHead[]): Setting => ({
  value: formatDistinct(heads, (one) => (one.reg_class_agnostic === true ? 'class-agnostic' : 'class-specific')),
});

function formatLayers({ type, num_shared_convs, num_shared_fcs, norm_cfg: norm }: BoxHead): string {
  const named = namedHeads[type];
  const convs = num_shared_convs ?? named?.convs ?? 0;
  const fcs = num_shared_fcs ?? named?.fcs ?? 0;
  const layers = [
    ...(convs > 0 ? [`${convs} convolution${convs === 1 ? '' : 's'}${norm ? ` with ${norm.type}` : ''}`] : []),
    ...(fcs > 0 ? [`${fcs} fully connected layer${fcs === 1 ? '' : 's'}`] : []),
  ];
  return layers.length > 0 ? layers.join(' and ') : type;
}

const formatDistinct = (heads: readonly BoxHead[], format: (head: BoxHead) => string): string =>
  [...new Set(heads.map(format))].join('; ');
