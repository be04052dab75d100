/** Limits the worker logs of tests to errors, because tests provoke warnings. */
import { DefaultLogger, Runtime } from '@temporalio/worker';

Runtime.install({ logger: new DefaultLogger('ERROR') });
