import type { RunPlan } from './index.ts';

/** Which part of the model a plan's weights are. */
export type WeightsPart = 'backbone' | 'detector';

/** The weights that a run of this plan begins with. */
export const startingWeights = (weights: RunPlan['weights']) =>
  'detector' in weights
    ? { part: 'detector' as const, ...weights.detector }
    : { part: 'backbone' as const, ...weights.backbone };

/** Of an evaluation the weights are tested as they are. */
export const isEvaluation = ({ epochs }: Pick<RunPlan, 'epochs'>): boolean => epochs === 0;
