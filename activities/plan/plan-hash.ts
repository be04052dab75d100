import { isCatalogId, type RunPlan } from '../../configs/schema/index.ts';
import { startingWeights } from '../../configs/schema/plan-weights.ts';
import { contentKey } from '../shared/steps/content-key.ts';
import { weightSwitches } from '../shared/run/speed-switches.ts';

type DatasetContent = Pick<RunPlan['dataset'], 'archives' | 'train' | 'val' | 'skipBadImages' | 'masks'>;

/** Hashes the files, their roles, the images to leave out and the origin of masks. Origin and layout do not matter. */
export const datasetKey = ({ archives, train, val, skipBadImages, masks }: DatasetContent): string =>
  contentKey({
    archives: archives.map(({ file, sha256 }) => ({ file, sha256 })),
    splits: [train, val].map(({ images, annotations }) => ({ images, annotations })),
    // JSON omits undefined, so that the hashes of earlier versions remain valid.
    skipBadImages,
    masks,
  });

/** Hashes exactly the fields that determine the final weights. */
export const planHash = ({
  recipe,
  dataset,
  weights,
  epochs,
  gpus,
  batchPerGpu,
  learningRate,
  seed,
  speed,
}: Omit<RunPlan, 'planHash'>): string => {
  const { part, id, source } = startingWeights(weights);
  return contentKey({
    recipe: recipe.sha256,
    dataset: dataset.contentKey,
    // Weights of an earlier training are the same under any name; catalog ids stay part of the hash as before.
    [part]: part === 'backbone' || isCatalogId(id) ? [id, source.sha256] : [source.sha256],
    epochs,
    gpus,
    batchPerGpu,
    // Absent unless the input sets it, so that plans without it keep their hash.
    learningRate,
    seed,
    speed: weightSwitches(speed),
  });
};
