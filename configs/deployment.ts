export const defaultDeployment = 'everswin';

/**
 * Name of this deployment, which begins the names of its task queues and workflow ids, so that several teams share a
 * namespace. Workers and commands with the same name find each other. workers/env.ts validates it. In the bundle of the
 * workflows, which have no environment, workers/deployment-loader.mjs replaces this module.
 */
export const deployment =
  (typeof process === 'undefined' ? undefined : process.env['EVERSWIN_DEPLOYMENT']) || defaultDeployment;
