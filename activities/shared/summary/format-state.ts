/**
 * Returns the word for the state of a workflow, for the list and the detail: the phase while it runs, afterwards how it
 * ended.
 * @param status of Temporal, such as `RUNNING`.
 * @param phase search attribute of the workflow.
 */
export function formatState(status: string, phase: unknown): string {
  const word = status.toLowerCase().replaceAll('_', ' ');
  if (word !== 'running' && word !== 'completed') return word;
  if (typeof phase === 'string') return phase;
  return word === 'completed' ? 'done' : word;
}
