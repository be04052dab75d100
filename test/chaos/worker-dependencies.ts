import { createDependencies } from '../../workers/dependencies.ts';
import { readEnv } from '../../workers/env.ts';
import { fakeTrainerPath, projectRoot } from '../helpers/project.ts';
import type { Subject } from './subject.ts';

/** Returns production dependencies with the subject's programs and a trainer that can be frozen at points. */
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
