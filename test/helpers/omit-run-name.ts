/** Returns a run's input without its name and version, as the input of a retraining holds it. */
export const omitRunName = (input: object): Record<string, unknown> =>
  Object.fromEntries(Object.entries(input).filter(([field]) => !['$schema', 'name', 'version'].includes(field)));
