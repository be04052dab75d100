import { z } from 'zod';
import type { FlattenedRecipe } from '../../configs/schema/index.ts';
import { weightsNotFound, type TrainedWeights } from './weights-search.ts';

/** Settings of a model that decide names and shapes of its tensors. Two models that differ in one never fit. */
const Head = z.looseObject({
  type: z.unknown().optional(),
  num_shared_convs: z.unknown().optional(),
  num_shared_fcs: z.unknown().optional(),
  reg_class_agnostic: z.unknown().optional(),
});
const Heads = z.union([z.array(Head), Head]);
const Model = z.looseObject({
  type: z.unknown().optional(),
  backbone: z.looseObject({
    type: z.unknown().optional(),
    embed_dims: z.unknown().optional(),
    depths: z.unknown().optional(),
    num_heads: z.unknown().optional(),
    window_size: z.unknown().optional(),
  }),
  neck: z.looseObject({ type: z.unknown().optional(), out_channels: z.unknown().optional() }).optional(),
  roi_head: z
    .looseObject({ type: z.unknown().optional(), bbox_head: Heads.optional(), mask_head: Heads.optional() })
    .optional(),
});
type Model = z.infer<typeof Model>;

/**
 * Requires that weights come from a model with the same tensors, before anything is fetched. Settings that this does
 * not know are compared tensor by tensor when the weights are converted.
 */
export function requireSameModel(found: TrainedWeights, recipe: FlattenedRecipe, name: string): void {
  const [theirs, ours] = [found.recipe.settings, recipe.settings].map((settings) => Model.safeParse(settings['model']));
  if (theirs?.data === undefined || ours?.data === undefined) return;
  const [before, now] = [listParts(theirs.data), listParts(ours.data)];
  const differences = Object.keys(now)
    .filter((part) => before[part] !== undefined && now[part] !== undefined && before[part] !== now[part])
    .map((part) => `${part} is ${before[part] ?? ''}, ${recipe.name} has ${now[part] ?? ''}`);
  if (differences.length === 0) return;
  throw weightsNotFound(
    name,
    `these weights are of the recipe ${found.recipe.name}, whose model differs: ${differences.join('; ')}. Set recipe to ${found.recipe.name}, or name weights of ${recipe.name}.`,
  );
}

function listParts({ type, backbone, neck, roi_head: roi }: Model): Record<string, string | undefined> {
  const { embed_dims, depths, num_heads, window_size } = backbone;
  const parts = {
    model: type,
    'type of the backbone': backbone.type,
    'width of the backbone': embed_dims,
    'depth of the backbone': depths,
    'attention heads': num_heads,
    'attention window': window_size,
    neck: neck?.type,
    'width of the neck': neck?.out_channels,
    'RoI head': roi?.type,
    'box heads': formatHeads(roi?.bbox_head),
    'mask heads': formatHeads(roi?.mask_head),
  };
  return Object.fromEntries(
    Object.entries(parts).map(([part, value]) => [part, value === undefined ? undefined : JSON.stringify(value)]),
  );
}

/** Shared layers of MMDetection's box heads that have a type of their own: convolutions and fully connected layers. */
const namedHeads: Record<string, readonly [number, number]> = {
  Shared2FCBBoxHead: [0, 2],
  Shared4Conv1FCBBoxHead: [4, 1],
};

function formatHeads(heads: z.infer<typeof Heads> | undefined): unknown {
  return heads === undefined ? undefined : [heads].flat().map(formatHead);
}

function formatHead({ type, num_shared_convs, num_shared_fcs, reg_class_agnostic: agnostic }: z.infer<typeof Head>) {
  const [convs, layers] = namedHeads[String(type)] ?? [num_shared_convs, num_shared_fcs];
  const name = type === 'ConvFCBBoxHead' || String(type) in namedHeads ? 'box head' : type;
  return { type: name, convs, layers, agnostic };
}
