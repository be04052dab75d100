/** Temporal's Worker Versioning (docs/how-to/upgrade.md): a run moves to the current version, unless it is pinned. */
import type { Client } from '@temporalio/client';
import type { WorkerDeploymentVersion } from '@temporalio/common';
import type { WorkerOptions } from '@temporalio/worker';
import { findGrpcStatus, grpcCodes } from './connection-error.ts';
import { readEnv } from './env.ts';

function readDeploymentName(): string {
  const { TEMPORAL_DEPLOYMENT_NAME: name, EVERSWIN_DEPLOYMENT: deployment } = readEnv();
  return name ?? deployment;
}

/** Returns the options of a worker with a version; none without TEMPORAL_WORKER_BUILD_ID. */
export function versioningOptions(): Pick<WorkerOptions, 'workerDeploymentOptions'> {
  const { TEMPORAL_WORKER_BUILD_ID: buildId } = readEnv();
  if (buildId === undefined) return {};
  const version = { deploymentName: readDeploymentName(), buildId };
  return {
    workerDeploymentOptions: { version, useWorkerVersioning: true, defaultVersioningBehavior: 'AUTO_UPGRADE' },
  };
}

/** Reads the version that gets new runs. @returns undefined if no version is current. */
export async function readCurrentVersion({
  workflowService,
  options: { namespace },
}: Client): Promise<WorkerDeploymentVersion | undefined> {
  const deploymentName = readDeploymentName();
  try {
    const { workerDeploymentInfo } = await workflowService.describeWorkerDeployment({ namespace, deploymentName });
    const buildId = workerDeploymentInfo?.routingConfig?.currentDeploymentVersion?.buildId;
    return buildId ? { deploymentName, buildId } : undefined;
  } catch (error) {
    if (findGrpcStatus(error)?.code === grpcCodes.notFound) return undefined;
    throw error;
  }
}

/** Formats whether a worker gets tasks, and the command that makes its version current. */
export function formatVersion(
  { deploymentName, buildId }: WorkerDeploymentVersion,
  current: WorkerDeploymentVersion | undefined,
): string {
  if (current?.buildId === buildId) return `Version ${buildId} of ${deploymentName} is current.`;
  return [
    `Version ${buildId} of ${deploymentName} is not current (current: ${current?.buildId ?? 'none'}), so this worker gets only runs that are pinned to it.`,
    'When all workers of the version run, make it current:',
    `  temporal worker deployment set-current-version --deployment-name ${deploymentName} --build-id ${buildId}`,
  ].join('\n');
}
