import { resolve } from 'node:path';
import { toolPath } from '../../workers/env.ts';

export const projectRoot = resolve(`${import.meta.dirname}/../..`);
export const projectHome = `${projectRoot}/.everswin`;
export const python = toolPath(projectHome, 'python');
export const pinnedTemporal = toolPath(projectHome, 'temporal');
export const weed = toolPath(projectHome, 'weed');
/** PYTHONPATH that runs the fake trainer: `python -m fake_trainer`. */
export const fakeTrainerPath = `${projectRoot}/trainer:${projectRoot}/trainer/tests`;
export const recipesFolder = `${projectRoot}/configs/mmdet`;
