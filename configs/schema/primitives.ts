/** Schemas that the other schemas share. */
import { z } from 'zod';

const pathSafe = /^[a-z0-9](?!.*\.\.)[a-z0-9._-]{0,62}$/;
export const safeName = (what: string) =>
  z
    .string()
    .regex(pathSafe, `expected ${what} to be 1-63 of a-z 0-9 . _ - starting with a letter or digit, without ".."`);

export const Sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'expected a sha256: 64 of the digits 0-9 a-f');

/**
 * Makes a rule across fields run as soon as the fields that it reads are valid. zod would skip it while any other field
 * is invalid, and a user would get the problems one after the other.
 */
export const onceValid = (fields: z.ZodType) => ({
  when: ({ value }: z.core.ParsePayload) => fields.safeParse(value).success,
});

/** AP or AR; null without ground truth. */
export const Score = z.number().min(0).max(1).nullable();
