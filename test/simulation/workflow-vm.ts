/**
 * Runs workflow code without a server: the only file that uses internals of the Temporal SDK. workflow-vm.test.ts fails
 * when an upgrade of the SDK moves them.
 */
import { createRequire } from 'node:module';
import { runInContext, type Context } from 'node:vm';
import { TypedSearchAttributes } from '@temporalio/common';
import { msToTs } from '@temporalio/common/lib/time.js';
import { bundleWorkflowCode, type WorkflowBundleWithSourceMap } from '@temporalio/worker';
import proto, { type coresdk } from '@temporalio/proto';

const { workflow_activation: activations } = proto.coresdk;

export type Job = coresdk.workflow_activation.IWorkflowActivationJob;
export type Command = coresdk.workflow_commands.IWorkflowCommand;
type Completion = coresdk.workflow_completion.IWorkflowActivationCompletion;
export type Failure = coresdk.workflow_completion.IFailure['failure'];

/** Parts of the SDK that are not exported. */
interface WorkflowInstance {
  activate: (activation: coresdk.workflow_activation.WorkflowActivation) => Promise<Completion>;
  dispose: () => Promise<void>;
}
interface WorkflowCreator {
  context: Context;
  createWorkflow: (options: object) => Promise<WorkflowInstance>;
}

const load = createRequire(import.meta.url);
const { ReusableVMWorkflowCreator } = load('@temporalio/worker/lib/workflow/reusable-vm') as {
  ReusableVMWorkflowCreator: { create: (...options: unknown[]) => Promise<WorkflowCreator> };
};
const { globalHandlers } = load('@temporalio/worker/lib/workflow/vm-shared') as {
  globalHandlers: { stopPromiseHook: () => void };
};
const { parseWorkflowCode } = load('@temporalio/worker/lib/worker') as { parseWorkflowCode: (code: string) => object };

const silent = () => undefined;
const logger = { trace: silent, debug: silent, info: silent, warn: silent, error: silent, log: silent };
const preload = 'exports.preloadModules = ';
const preloadOnDemand = 'exports.preloadOnDemand = ';

/** Bundles the workflows of a checkout, so that their modules can be loaded once and shared by all instances. */
export async function bundleWorkflows(workflowsPath: string): Promise<string> {
  const bundle: WorkflowBundleWithSourceMap = await bundleWorkflowCode({
    workflowsPath,
    preloadModules: [workflowsPath],
    logger,
  });
  if (!bundle.code.includes(preload))
    throw new Error(`the bundle no longer contains "${preload}": see ${import.meta.filename}`);
  // The SDK freezes what it preloads itself, but zod completes its schemas when they are first used.
  return bundle.code.replace(preload, preloadOnDemand);
}

/** Activation of a workflow, as the worker receives it for one workflow task. */
export interface Activation {
  jobs: Job[];
  /** Milliseconds. */
  at: number;
  historyLength: number;
  flags: readonly number[];
  continueAsNewSuggested: boolean;
}

export interface WorkflowIdentity {
  workflowType: string;
  workflowId: string;
  runId: string;
  startedAt: number;
}

/** Answer of the workflow code: its commands, or why the workflow task failed. */
export type Answer = { commands: Command[]; flags: number[] } | { failure: Failure };

/** Creates instances of workflows from a bundle. */
export class WorkflowVm {
  private readonly creator: WorkflowCreator;

  private constructor(creator: WorkflowCreator) {
    this.creator = creator;
  }

  static async create(code: string): Promise<WorkflowVm> {
    // A time limit would cost a watchdog thread for each call.
    const creator = await ReusableVMWorkflowCreator.create(parseWorkflowCode(code), undefined, new Set());
    // Stack traces of all promises take most of the time, and only the query for stack traces reads them.
    globalHandlers.stopPromiseHook();
    runInContext('__TEMPORAL__.preloadOnDemand()', creator.context);
    return new WorkflowVm(creator);
  }

  async start({ workflowType, workflowId, runId, startedAt }: WorkflowIdentity): Promise<WorkflowExecutor> {
    const instance = await this.creator.createWorkflow({
      info: {
        workflowType,
        workflowId,
        runId,
        namespace: 'default',
        firstExecutionRunId: runId,
        attempt: 1,
        taskTimeoutMs: 10_000,
        taskQueue: 'everswin',
        searchAttributes: {},
        typedSearchAttributes: new TypedSearchAttributes(),
        historyLength: 1,
        historySize: 1,
        continueAsNewSuggested: false,
        targetWorkerDeploymentVersionChanged: false,
        unsafe: { isReplaying: false, isReplayingHistoryEvents: false },
        startTime: new Date(startedAt),
        runStartTime: new Date(startedAt),
      },
      randomnessSeed: [0, 0, 0, 0, 0, 0, 0, 1],
      now: startedAt,
      showStackTraceSources: false,
    });
    return new WorkflowExecutor(instance, runId);
  }
}

/** A running workflow function. */
export class WorkflowExecutor {
  private readonly instance: WorkflowInstance;
  private readonly runId: string;

  constructor(instance: WorkflowInstance, runId: string) {
    this.instance = instance;
    this.runId = runId;
  }

  async activate(activation: Activation, isReplaying: boolean): Promise<Answer> {
    const completion = await this.instance.activate(
      activations.WorkflowActivation.create({
        runId: this.runId,
        timestamp: msToTs(Math.round(activation.at)),
        isReplaying,
        historyLength: activation.historyLength,
        availableInternalFlags: [...activation.flags],
        continueAsNewSuggested: activation.continueAsNewSuggested,
        jobs: activation.jobs,
      }),
    );
    const { successful, failed } = completion;
    if (failed != null) return { failure: failed.failure };
    return { commands: successful?.commands ?? [], flags: successful?.usedInternalFlags ?? [] };
  }

  /** Answers a query without changing the workflow. */
  async query(queryType: string): Promise<Command | undefined> {
    const job = activations.WorkflowActivationJob.fromObject({
      queryWorkflow: { queryId: 'q', queryType, arguments: [] },
    });
    const completion = await this.instance.activate(
      activations.WorkflowActivation.create({ runId: this.runId, jobs: [job] }),
    );
    return completion.successful?.commands?.[0];
  }

  dispose(): Promise<void> {
    return this.instance.dispose();
  }
}

/** Converts a job to the class that workflow instances expect. */
export const toJob = (job: Job): Job => activations.WorkflowActivationJob.fromObject(job);
