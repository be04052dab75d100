/** What is known of published models and of what the differences to them cost: the data of the gap diagnosis. */
import { z } from 'zod';

/** In what a run can differ from a published one. */
export const aspects = [
  'data set',
  'backbone weights',
  'box heads',
  'box loss',
  'box classes',
  'batch and learning rate',
  'batch in parts',
  'epochs',
  'fall of the learning rate',
  'warm-up',
  'optimizer',
  'precision',
  'framework',
  'changes on the way',
] as const;
export const Aspect = z.enum(aspects);
export type Aspect = z.infer<typeof Aspect>;

/** What a run did in one respect, in words that are the same wherever the same was done; `amount` where it is a number. */
export const Setting = z.strictObject({ says: z.string(), amount: z.number().positive().optional() });
export type Setting = z.infer<typeof Setting>;

/** configs/published-models.json: what was published, how it was trained, and which recipes set out to reach it. */
export const PublishedModels = z.array(
  z.strictObject({
    title: z.string(),
    /** The recipe whose references are its published results. */
    results: z.string(),
    /** The other recipe's published results that are shown beside it. */
    seed: z.string().optional(),
    recipes: z.array(z.string()),
    settings: z.partialRecord(Aspect, Setting),
    source: z.string(),
  }),
);
export type PublishedModel = z.infer<typeof PublishedModels>[number];

/** AP points: from the least to the most that the evidence allows. */
const Points = z.tuple([z.number(), z.number()]);

const Evidence = z.strictObject({ says: z.string(), source: z.string() });
export type Evidence = z.infer<typeof Evidence>;

/** `measured`: this very difference alone; `relative`: alone, on a related model; `unknown`: nobody published a measurement. */
const Basis = z.enum(['measured', 'relative', 'unknown']);

export const KnownEffect = z.strictObject({
  about: Aspect,
  /** Only where this run did just that; any way, where absent. */
  ours: z.string().optional(),
  /** Only where this run's amount is at most so much of the published one's. */
  atMost: z.number().positive().optional(),
  basis: Basis,
  /** By how many points a run falls short that does it this way instead of the published one; null where unknown. */
  loses: z.strictObject({ bbox: Points, segm: Points.nullable() }).nullable(),
  /** Where `loses` is unknown: it stands in the list as if it cost so many points of box AP. A judgement, not a measurement. */
  listedAs: z.number().optional(),
  says: z.string(),
  evidence: z.array(Evidence),
});
export type KnownEffect = z.infer<typeof KnownEffect>;

/** configs/known-effects.json. The first effect that fits counts. */
export const GapFacts = z.strictObject({
  effects: z.array(KnownEffect),
  /** Points of AP by which two runs of the same thing differ. */
  noise: z.strictObject({ bbox: Points, evidence: z.array(Evidence) }),
  /** Explanations that were offered and are wrong. `ours`: only for runs with these box heads. */
  ruledOut: z.array(
    z.strictObject({
      claim: z.string(),
      ours: z.string().optional(),
      why: z.string(),
      evidence: z.array(Evidence),
    }),
  ),
  /** What nobody has measured, so that the order is partly inference. */
  unmeasured: z.array(z.strictObject({ aspects: z.array(Aspect), says: z.string() })),
});
export type GapFacts = z.infer<typeof GapFacts>;
