/** What the trainer's `prepare-dataset` answers (docs/trainer-contract.md). */
import { z } from 'zod';

const PerSplit = z.object({ train: z.int(), val: z.int() });

export const PreparedDataset = z.discriminatedUnion('ok', [
  z.object({
    v: z.literal(1),
    ok: z.literal(true),
    warnings: z.array(z.string()),
    images: PerSplit,
    instances: PerSplit,
    classes: z.int(),
    /** Images that were decoded whole; of the others the headers were read. */
    decoded: z.int(),
    /** Of all archives. */
    files: z.int(),
    bytes: z.int(),
    /** It was there already, whole. */
    reused: z.boolean(),
    seconds: z.number(),
    preparedAt: z.number(),
  }),
  z.object({ v: z.literal(1), ok: z.literal(false), problems: z.array(z.string()), warnings: z.array(z.string()) }),
]);
export type PreparedDataset = z.infer<typeof PreparedDataset>;
