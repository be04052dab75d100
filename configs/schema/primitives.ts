/** Schemas that the other schemas share. */
import { z } from 'zod';

const pathSafe = /^[a-z0-9](?!.*\.\.)[a-z0-9._-]{0,62}$/;
export const safeName = (what: string) =>
  z
    .string()
    .regex(pathSafe, `expected ${what} to be 1-63 of a-z 0-9 . _ - starting with a letter or digit, without ".."`);

export const Sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** AP or AR; null without ground truth. */
export const Score = z.number().min(0).max(1).nullable();
