import type { PreparationContext } from './preparation-context.ts';

/** Shares one S3 client among all requests of `use`, because each client opens its own connections and loads credentials. */
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
