/** The part of a worker process that runs workflow code, with a cache of running instances. */
import { statusQueryName } from '../../../configs/names.ts';
import type { SimulatedProcess } from '../machine/process.ts';
import type { WorkflowExecutor, WorkflowVm } from '../workflow-vm.ts';
import { answerOf, type Execution } from './execution.ts';
import type { SimulatedServer } from './server.ts';

/** Query with which the Temporal UI reads the current details. */
const metadataQuery = '__temporal_workflow_metadata';
const longestDetails = 20_000;

export class ControlWorker {
  readonly process: SimulatedProcess;
  /** Whether it runs the build before the patches of workflows/train/patches.ts. */
  readonly isOldBuild: boolean;
  private readonly server: SimulatedServer;
  private readonly vm: WorkflowVm;
  private readonly cache = new Map<string, WorkflowExecutor>();
  private hasOpenPoll = true;

  constructor(server: SimulatedServer, vm: WorkflowVm, process: SimulatedProcess, isOldBuild: boolean) {
    this.server = server;
    this.vm = vm;
    this.process = process;
    this.isOldBuild = isOldBuild;
    process.onExit(() => void this.evictAll());
    server.connectControl(this);
  }

  get cachedRuns(): string[] {
    return [...this.cache.keys()];
  }

  /** Returns whether the server can hand it a workflow task. A frozen worker still has one open poll. */
  polls(): boolean {
    return this.process.alive && this.hasOpenPoll && this.server.isReachable(this.process);
  }

  takeWorkflowTask(execution: Execution): void {
    this.hasOpenPoll = false;
    this.process.later(0, () => {
      this.hasOpenPoll = true;
      this.server.dispatch();
    });
    void execution.runTask(this);
  }

  /** Returns the instance of an execution; replays its history if the cache lacks it. */
  async executor(execution: Execution): Promise<WorkflowExecutor> {
    const cached = this.cache.get(execution.runId);
    if (cached !== undefined) return cached;
    return this.server.whileActivating(async () => {
      const executor = await this.vm.start(execution);
      await execution.replay(executor);
      this.cache.set(execution.runId, executor);
      return executor;
    });
  }

  async query(execution: Execution, name: string): Promise<unknown> {
    const executor = await this.executor(execution);
    return answerOf(await this.server.whileActivating(() => executor.query(name)));
  }

  async evict(runId: string): Promise<void> {
    const executor = this.cache.get(runId);
    this.cache.delete(runId);
    await executor?.dispose();
  }

  async evictAll(): Promise<void> {
    for (const runId of this.cachedRuns) await this.evict(runId);
  }

  /** Checks what an ended workflow shows, reports its status, and forgets its instance. */
  async finish(execution: Execution): Promise<void> {
    const metadata = (await this.query(execution, metadataQuery)) as { currentDetails?: string };
    const length = Buffer.byteLength(metadata.currentDetails ?? '');
    if (length > longestDetails)
      this.server.violate('details', `${execution.workflowId}: its current details have ${length} bytes`);
    this.server.onStatus(execution, await this.query(execution, statusQueryName));
    await this.evict(execution.runId);
  }
}
