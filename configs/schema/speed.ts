/** What makes training faster, each by itself: docs/recipes.md says what is proved of it. */
import { z } from 'zod';

export const SpeedSwitches = z.strictObject({
  /** Window attention by torch's scaled_dot_product_attention. */
  sdpaAttention: z.boolean().default(false),
  /** AdamW in one kernel for all parameters of equal settings. */
  fusedAdamW: z.boolean().default(false),
  /** Images and convolutions in the memory layout of tensor cores. */
  channelsLast: z.boolean().default(false),
  /** Attention and MLP of Swin's blocks through torch.compile. */
  compileBackbone: z.boolean().default(false),
  /** The validation after each epoch in half precision; the final test stays in full. */
  halfPrecisionValidation: z.boolean().default(false),
});
export type SpeedSwitches = z.infer<typeof SpeedSwitches>;
