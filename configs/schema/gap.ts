/** Published models and the known effects of differing from them: the data of the gap diagnosis. */
import { z } from 'zod';

/** Settings in which a run can differ from a published model. */
export const aspects = [
  'dataset',
  'pretrained weights',
  'box heads',
  'box loss',
  'box regression',
  'batch and learning rate',
  'micro-batches',
  'augmentation',
  'weight averaging',
  'epochs',
  'learning rate schedule',
  'warm-up',
  'optimizer',
  'precision',
  'framework',
  'changes during the run',
] as const;
export const Aspect = z.enum(aspects);
export type Aspect = z.infer<typeof Aspect>;

/** One setting of a run. Equal settings have the same text; `amount` makes numbers comparable. */
export const Setting = z.strictObject({ value: z.string(), amount: z.number().positive().optional() });
export type Setting = z.infer<typeof Setting>;

/** configs/published-models.json: published results, how they were trained, and which recipes reproduce them. */
export const PublishedModels = z.array(
  z.strictObject({
    title: z.string(),
    /** Recipe whose references are the published results. */
    results: z.string(),
    /** Another recipe whose published results are shown for comparison. */
    blog: z.string().optional(),
    recipes: z.array(z.string()),
    settings: z.partialRecord(Aspect, Setting),
    source: z.string(),
  }),
);
export type PublishedModel = z.infer<typeof PublishedModels>[number];

/** Range of AP points that the evidence allows. */
const Points = z.tuple([z.number(), z.number()]);

const Evidence = z.strictObject({ finding: z.string(), source: z.string() });
export type Evidence = z.infer<typeof Evidence>;

/** `measured`: this difference alone; `relative`: alone, on a related model; `unknown`: no published measurement. */
const Basis = z.enum(['measured', 'relative', 'unknown']);

export const KnownEffect = z.strictObject({
  aspect: Aspect,
  /** Restricts the effect to runs with this setting. */
  ours: z.string().optional(),
  /** Restricts the effect to runs whose amount is at most this share of the published one. */
  maxRatio: z.number().positive().optional(),
  basis: Basis,
  /** Points that this difference costs; null if unknown. */
  cost: z.strictObject({ bbox: Points, segm: Points.nullable() }).nullable(),
  /** Points of box AP that rank an effect of unknown cost. A judgment, not a measurement. */
  assumedCost: z.number().optional(),
  summary: z.string(),
  evidence: z.array(Evidence),
});
export type KnownEffect = z.infer<typeof KnownEffect>;

/** configs/known-effects.json. The first effect that applies counts. */
export const GapFacts = z.strictObject({
  effects: z.array(KnownEffect),
  /** AP points by which two runs of one recipe differ. */
  noise: z.strictObject({ bbox: Points, evidence: z.array(Evidence) }),
  /** Published explanations that are wrong. `ours` restricts one to runs with these box heads. */
  ruledOut: z.array(
    z.strictObject({
      claim: z.string(),
      ours: z.string().optional(),
      reason: z.string(),
      evidence: z.array(Evidence),
    }),
  ),
  /** Combinations that were never measured separately, so their order is partly inference. */
  unmeasured: z.array(z.strictObject({ aspects: z.array(Aspect), summary: z.string() })),
});
export type GapFacts = z.infer<typeof GapFacts>;
