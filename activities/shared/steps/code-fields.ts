import type { Versions } from '../../../configs/schema/index.ts';
import { formatTrainerVersion, type TrainerPart } from '../../../configs/trainer-versions.ts';

/** Returns the fields of a step that identify the code of its parts of the trainer. Plans of earlier versions have hashes. */
export const codeFields = (versions: Versions, parts: readonly TrainerPart[]): Record<string, string> =>
  versions.trainer === undefined
    ? { 'trainer code': versions.trainerCode, 'tools (trainer lock)': versions.trainerLock }
    : { 'trainer version': formatTrainerVersion(versions, parts) };
