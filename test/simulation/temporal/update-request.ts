/** An update of a workflow, from the request of a client to its outcome. */
import { fromFailure, fromPayload, type Failure, type Payload } from './payload.ts';

export class UpdateRequest {
  readonly id: string;
  readonly name: string;
  state: 'sent' | 'accepted' | 'completed' | 'rejected' | 'lost' = 'sent';
  readonly outcome: Promise<unknown>;
  private resolve: (value: unknown) => void = () => undefined;
  private reject: (error: Error) => void = () => undefined;

  constructor(id: string, name: string) {
    this.id = id;
    this.name = name;
    this.outcome = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    // Not every client waits for the outcome.
    this.outcome.catch(() => undefined);
  }

  accept(): void {
    this.state = 'accepted';
  }

  complete(result: Payload | undefined): void {
    this.state = 'completed';
    this.resolve(fromPayload(result));
  }

  fail(failure: Failure): void {
    this.state = this.state === 'accepted' ? 'completed' : 'rejected';
    this.reject(
      Object.assign(new Error('Workflow Update failed'), {
        name: 'WorkflowUpdateFailedError',
        cause: fromFailure(failure),
      }),
    );
  }

  /** The workflow has ended before it answered. */
  loseWorkflow(): void {
    if (this.state === 'completed' || this.state === 'rejected') return;
    this.state = this.state === 'accepted' ? 'lost' : 'rejected';
    this.reject(new Error('workflow execution already completed'));
  }
}
