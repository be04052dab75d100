/** Workers log what tests provoke on purpose; only errors are worth reading in a test run. */
import { DefaultLogger, Runtime } from '@temporalio/worker';

Runtime.install({ logger: new DefaultLogger('ERROR') });
