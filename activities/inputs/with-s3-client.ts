import type { PreparationContext } from './preparation-context.ts';

/** One client for all that `use` asks: each has connections of its own, and looks for its credentials anew. */
export async function withS3Client<T>(
  context: PreparationContext,
  use: (context: PreparationContext) => Promise<T>,
): Promise<T> {
  const client = context.s3();
  try {
    return await use({ ...context, s3: () => client });
  } finally {
    client.destroy();
  }
}
