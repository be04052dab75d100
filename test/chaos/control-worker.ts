/** Control worker of the chaos suite: `--subject mini|real`. */
import { parseArgs } from 'node:util';
import { createControlActivities } from '../../activities/index.ts';
import { taskQueues } from '../../configs/names.ts';
import { readEnv } from '../../workers/env.ts';
import { readServer } from '../../workers/temporal-server.ts';
import { runWorker } from '../../workers/run-worker.ts';
import { shiftClockBy } from './shift-clock.ts';
import { findSubject } from './subject.ts';
import { chaosDependencies } from './worker-dependencies.ts';

shiftClockBy(`${readEnv().EVERSWIN_HOME}/chaos/clock-control-worker`);
const { values } = parseArgs({ options: { subject: { type: 'string', default: 'mini' } } });
const subject = findSubject(values.subject);

await runWorker(readServer(), 'chaos-control', {
  taskQueue: taskQueues.control,
  // Bundled once by the stack, because bundling would add seconds to each restart.
  workflowBundle: { codePath: `${readEnv().EVERSWIN_HOME}/workflows.js` },
  activities: { ...createControlActivities(chaosDependencies(subject)), ...subject.stubs },
});
