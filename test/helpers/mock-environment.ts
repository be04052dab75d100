import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';

/** An activity's surroundings without a server: signals to the workflow go nowhere, and failures are provoked on purpose. */
export const mockEnvironment = () => new MockActivityEnvironment({}, { logger: new DefaultLogger('ERROR') });
