import type { BundleOptions } from '@temporalio/worker';
import { defaultDeployment, deployment } from '../configs/deployment.ts';

const projectFolder = `${import.meta.dirname}/..`;
export const workflowsPath = `${projectFolder}/workflows/index.ts`;

/** Modules that all workflows share. They hold schemas and no state, so one workflow cannot affect another. */
const sharedModules =
  /\/(configs\/(schema\/[^/]+|parse-input)|workflows\/support\/activity-results)\.ts$|\/zod\/.*\.js$/;

/**
 * Options with which the workflows are bundled. By default, the SDK loads every module again for each open workflow. The
 * schemas took 95 ms of it and 3.3 MB, so a hundred runs that started together waited for ten seconds.
 */
export const bundlerOptions = {
  preloadModules: ['configs/parse-input.ts', 'workflows/support/activity-results.ts'].map(
    (path) => `${projectFolder}/${path}`,
  ),
  webpackConfigHook: (config) => {
    const freezeExports = {
      test: sharedModules,
      enforce: 'post',
      use: `${import.meta.dirname}/freeze-exports-loader.mjs`,
    } as const;
    const replaceDeployment = {
      test: /\/configs\/deployment\.ts$/,
      use: { loader: `${import.meta.dirname}/deployment-loader.mjs`, options: { defaultDeployment, deployment } },
    };
    const rules = [...(config.module?.rules ?? []), freezeExports, replaceDeployment];
    return { ...config, module: { ...config.module, rules } };
  },
} satisfies Partial<BundleOptions>;
