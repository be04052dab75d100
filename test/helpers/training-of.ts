/** All that a run's input says but its name: what the input of a retraining holds. */
export const trainingOf = (input: object): Record<string, unknown> =>
  Object.fromEntries(Object.entries(input).filter(([field]) => !['name', 'version'].includes(field)));
