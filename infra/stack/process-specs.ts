import { trainerGraceSeconds } from '../../activities/shared/trainer/trainer-argv.ts';
import { hookTokenVariable, keyVariables } from '../../configs/names.ts';
import { homeFolders } from '../../configs/paths.ts';
import { projectFile } from '../../workers/env.ts';
import type { StackProcessSpec } from './process-group.ts';
import { devServerArgv, findTemporalCli, type HiddenAddress, type ServerPorts } from './temporal-server.ts';

export const temporalServer = async (home: string, ports: ServerPorts): Promise<StackProcessSpec> => ({
  name: 'temporal-server',
  executable: await findTemporalCli(home),
  argv: devServerArgv(ports, homeFolders(home).database),
  graceMs: 10_000,
});

export const controlWorker = (): StackProcessSpec => ({
  ...program('control-worker', ['infra/cli/main.ts', 'worker', 'control']),
  needs: keyVariables,
});

export const gpuWorkerName = 'gpu-worker';

/** The GPU worker outlasts the trainers that save when the stack stops. */
export const gpuWorker = (device: 'cpu' | 'cuda'): StackProcessSpec => ({
  ...program(gpuWorkerName, ['infra/cli/main.ts', 'worker', 'gpu', '--device', device]),
  graceMs: (trainerGraceSeconds + 15) * 1000,
  needs: keyVariables,
});

export const pageServer = (port: number): StackProcessSpec =>
  program('pages', ['infra/pages/pages.ts', '--port', String(port)]);

export const uiProxy = (port: number, ui: HiddenAddress): StackProcessSpec =>
  program('ui', ['infra/pages/ui.ts', '--port', String(port), '--target', `http://${ui.host}:${ui.port}`]);

export const hookServer = (port: number): StackProcessSpec => ({
  ...program('hook', ['infra/pages/hook.ts', '--port', String(port)]),
  needs: [hookTokenVariable, ...keyVariables],
});

/** Distinguishes the workers, which can leave trainers running, from the servers that they use. */
export const isWorker = (name: string): boolean => name.endsWith('-worker');

const program = (name: string, [file = '', ...argv]: string[]): StackProcessSpec => ({
  name,
  executable: process.execPath,
  argv: [projectFile(file), ...argv],
  graceMs: 20_000,
});
