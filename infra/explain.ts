/** What a person should read of an error: Temporal wraps the cause that matters in others that only say that something failed. */
export function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : explain(error.cause);
}
