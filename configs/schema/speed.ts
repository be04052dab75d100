/** Independent switches that make training faster. docs/explanation/speed.md lists the evidence for each. */
import { z } from 'zod';

export const SpeedSwitches = z.strictObject({
  sdpaAttention: z
    .boolean()
    .describe("Computes window attention with torch's scaled_dot_product_attention.")
    .default(false),
  fusedAdamW: z.boolean().describe('Runs AdamW in one kernel for all parameters with equal settings.').default(false),
  channelsLast: z
    .boolean()
    .describe('Stores images and convolutions in the channels-last memory format, which tensor cores prefer.')
    .default(false),
  compileBackbone: z
    .boolean()
    .describe('Compiles the Swin blocks, except drop path, with torch.compile.')
    .default(false),
  tf32: z.boolean().describe('Multiplies matrices that stay in fp32 as TF32 on tensor cores.').default(false),
  halfPrecisionValidation: z
    .boolean()
    .describe('Validates in half precision; the final test keeps full precision.')
    .default(false),
  fewerSyncs: z
    .boolean()
    .describe('Computes targets and losses with fewer waits for the GPU; the results are the same bits.')
    .default(false),
  expandableSegments: z
    .boolean()
    .describe("Lets PyTorch's CUDA allocator grow its segments, so that changing image sizes fragment less memory.")
    .default(false),
  groupBySize: z
    .boolean()
    .describe(
      'Trains on batches of images with similar augmented sizes, with less padding. Changes the order of images.',
    )
    .default(false),
});
export type SpeedSwitches = z.infer<typeof SpeedSwitches>;
