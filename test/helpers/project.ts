import { resolve } from 'node:path';
import { homeFolders } from '../../configs/paths.ts';

export const projectRoot = resolve(`${import.meta.dirname}/../..`);
export const projectHome = `${projectRoot}/.everswin`;
export const { pinnedTemporal, python } = homeFolders(projectHome);
export const recipesFolder = `${projectRoot}/configs/mmdet`;
