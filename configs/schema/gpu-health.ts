/** Health of the GPUs of a machine, as NVML and the kernel report it. */
import { z } from 'zod';

/** `unusable`: no job can run on the GPU. `warning`: it works, but slower or at risk. */
export const GpuVerdict = z.enum(['ok', 'warning', 'unusable']);
export type GpuVerdict = z.infer<typeof GpuVerdict>;

const GpuFinding = z.object({
  kind: z.enum(['lost', 'xid', 'ecc', 'remap', 'throttled', 'hot', 'pcie', 'foreign']).describe('What was checked.'),
  verdict: GpuVerdict.describe('`warning` or `unusable`.'),
  message: z.string().describe('What was found.'),
  remedy: z.string().describe('What to do.'),
});
type GpuFinding = z.infer<typeof GpuFinding>;

const ecc = (since: string) =>
  z
    .object({ corrected: z.int(), uncorrected: z.int() })
    .nullable()
    .describe(`Memory errors ${since}; null if the GPU does not count them.`);

/** Answer of `everswin_trainer gpu-health`. */
export const GpuHealth = z.object({
  v: z.literal(1).describe('Version of the format.'),
  at: z.number().describe('Time of the reading, in Unix seconds.'),
  problem: z.string().nullable().describe('Why the GPUs could not be read; null if they were, or if there are none.'),
  gpus: z
    .array(
      z.object({
        uuid: z.string().describe('UUID of the GPU; `index N` if it does not answer and was not expected.'),
        index: z.int().nullable().describe('Number in nvidia-smi; null if the driver does not list the GPU.'),
        name: z.string().nullable(),
        heldBy: z
          .string()
          .nullable()
          .describe('Run of another job that holds the GPU; null if it is free, or if `--job-dir` holds it.'),
        verdict: GpuVerdict.describe('The worst of the findings; `ok` without one.'),
        findings: z.array(GpuFinding),
        facts: z
          .looseObject({
            bus: z.string().nullish().describe('PCI bus ID.'),
            utilization: z
              .int()
              .nullish()
              .describe('Share of the last second or less in which the GPU worked, in percent, as in nvidia-smi.'),
            temperature: z.int().nullish().describe('Degrees Celsius.'),
            slowdowns: z.array(z.string()).optional().describe('Reasons for which the driver lowers the clocks.'),
            volatileEcc: ecc('since the driver was loaded').optional(),
            aggregateEcc: ecc('in the life of the GPU').optional(),
            remappedRows: z.int().nullish().describe('Rows of memory that were replaced.'),
            memory: z
              .object({ usedBytes: z.int(), totalBytes: z.int() })
              .nullish()
              .describe('Memory in use by all programs, and in total.'),
            foreignMib: z.int().optional().describe('Memory that programs other than everswin use, in MiB.'),
          })
          .describe('Measured values; a GPU that does not support one has null.'),
      }),
    )
    .describe('The GPUs that this worker may use.'),
  waiting: z.array(z.string()).describe('Runs that wait for GPUs of this machine.'),
});
export type GpuHealth = z.infer<typeof GpuHealth>;
