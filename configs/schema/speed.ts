/** Independent switches that make training faster. docs/recipes.md lists the evidence for each. */
import { z } from 'zod';

export const SpeedSwitches = z.strictObject({
  /** Computes window attention with torch's scaled_dot_product_attention. */
  sdpaAttention: z.boolean().default(false),
  /** Runs AdamW in one kernel for all parameters with equal settings. */
  fusedAdamW: z.boolean().default(false),
  /** Stores images and convolutions in the channels-last memory format, which tensor cores prefer. */
  channelsLast: z.boolean().default(false),
  /** Compiles attention and MLP of the Swin blocks with torch.compile. */
  compileBackbone: z.boolean().default(false),
  /** Validates in half precision; the final test keeps full precision. */
  halfPrecisionValidation: z.boolean().default(false),
});
export type SpeedSwitches = z.infer<typeof SpeedSwitches>;
