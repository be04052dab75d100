import { resolve } from 'node:path';
import { homeFolders } from '../../configs/paths.ts';

export const projectRoot = resolve(`${import.meta.dirname}/../..`);
export const projectHome = `${projectRoot}/.everswin`;
export const { pinnedTemporal, python } = homeFolders(projectHome);
/** PYTHONPATH that runs the fake trainer: `python -m fake_trainer`. */
export const fakeTrainerPath = `${projectRoot}/trainer:${projectRoot}/trainer/tests`;
export const recipesFolder = `${projectRoot}/configs/mmdet`;
