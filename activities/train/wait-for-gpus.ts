import { Context } from '@temporalio/activity';
import { withHeartbeat } from '../shared/temporal/heartbeat.ts';
import { listUsable, waitForHealth, type HealthReader } from '../shared/trainer/gpu-health.ts';
import type { GpuDependencies } from './dependencies.ts';

interface GpusRequest {
  /** GPUs that the machine had. */
  known: string[];
  /** GPUs that the run no longer uses. */
  leftOut: string[];
  needed: number;
}

/** Waits until enough GPUs are usable, because a person has reset or replaced one. @returns their UUIDs. */
export const createWaitForGpus =
  (dependencies: HealthReader & GpuDependencies) =>
  async ({ known, leftOut, needed }: GpusRequest): Promise<string[]> => {
    const { cancellationSignal } = Context.current();
    let usable: string[] = [];
    return withHeartbeat(
      () => ({ usable, needed }),
      async () => {
        const { healthSeconds } = dependencies.gpus;
        const isEnough = (health: Parameters<typeof listUsable>[0]): boolean => {
          usable = listUsable(health).filter((uuid) => !leftOut.includes(uuid));
          return usable.length >= needed;
        };
        await waitForHealth(dependencies, known, healthSeconds, isEnough, cancellationSignal);
        return usable;
      },
    );
  };
