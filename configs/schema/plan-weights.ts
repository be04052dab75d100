import type { RunPlan } from './index.ts';

/** Part of the model that the starting weights of a plan cover. */
export type WeightsPart = 'backbone' | 'detector';

/** Returns the starting weights of a plan. */
export const startingWeights = (weights: RunPlan['weights']) =>
  'detector' in weights
    ? { part: 'detector' as const, ...weights.detector }
    : { part: 'backbone' as const, ...weights.backbone };

/** Returns whether the plan tests its starting weights without training. */
export const isEvaluation = ({ epochs }: Pick<RunPlan, 'epochs'>): boolean => epochs === 0;
