import { z } from 'zod';
import type { Setting } from '../../../configs/schema/index.ts';

/** The part of a recipe that decides how boxes are told: one stage of the cascade. */
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

/** What MMDetection's named heads stand for. */
const namedHeads: Record<string, { convs: number; fcs: number }> = {
  Shared2FCBBoxHead: { convs: 0, fcs: 2 },
  Shared4Conv1FCBBoxHead: { convs: 4, fcs: 1 },
};

/** `4 convolutions with SyncBN and 1 fully connected layer`; stages that differ are all named. */
export const describeBoxHeads = (heads: readonly BoxHead[]): Setting => ({ says: joinDistinct(heads, nameLayers) });

/** `GIoU on decoded boxes, weight 10` */
export const describeBoxLoss = (heads: readonly BoxHead[]): Setting => ({
  says: joinDistinct(heads, ({ loss_bbox: loss, reg_decoded_bbox: decoded }) => {
    const name = loss.type.replace(/Loss$/, '');
    return `${name} on ${decoded === true ? 'decoded boxes' : 'deltas'}, weight ${loss.loss_weight}`;
  }),
});

export const describeBoxClasses = (heads: readonly BoxHead[]): Setting => ({
  says: joinDistinct(heads, (one) =>
    one.reg_class_agnostic === true ? 'one box for all classes' : 'a box for each class',
  ),
});

function nameLayers({ type, num_shared_convs, num_shared_fcs, norm_cfg: norm }: BoxHead): string {
  const named = namedHeads[type];
  const convs = num_shared_convs ?? named?.convs ?? 0;
  const fcs = num_shared_fcs ?? named?.fcs ?? 0;
  const layers = [
    ...(convs > 0 ? [`${convs} convolution${convs === 1 ? '' : 's'}${norm ? ` with ${norm.type}` : ''}`] : []),
    ...(fcs > 0 ? [`${fcs} fully connected layer${fcs === 1 ? '' : 's'}`] : []),
  ];
  return layers.length > 0 ? layers.join(' and ') : type;
}

const joinDistinct = (heads: readonly BoxHead[], describe: (head: BoxHead) => string): string =>
  [...new Set(heads.map(describe))].join('; ');
