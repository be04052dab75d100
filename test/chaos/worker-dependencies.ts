import { createDependencies } from '../../workers/dependencies.ts';
import { readEnv } from '../../workers/env.ts';
import { fakeTrainerPath, projectRoot } from '../helpers/project.ts';
import type { Subject } from './subject.ts';

/** As in production, but for the subject's programs, and with our freezing points in front of the trainer. */
export function chaosDependencies(subject: Subject) {
  const production = createDependencies('cpu');
  const { python } = production;
  const env = {
    ...python.env,
    PYTHONPATH: `${projectRoot}/test/chaos/python:${fakeTrainerPath}`,
    EVERSWIN_CHAOS_DIR: `${readEnv().EVERSWIN_HOME}/chaos`,
  };
  return subject.dependencies({ ...production, python: { ...python, env } });
}
