/** The users of a simulation: what they start, what they request, and how they take care of what waits for them. */
import { retrainTrigger } from '../../activities/retrain/retrain-trigger.ts';
import {
  changeRegistry,
  previousChampion,
  readRegistry,
  type ChangeRequest,
} from '../../activities/registry/registry-state.ts';
import { localStore } from '../../activities/shared/store/local-store.ts';
import {
  approvalUpdateNames,
  compareId,
  retrainId,
  updateNames,
  workflowId,
  workflowTypes,
} from '../../configs/names.ts';
import { RetrainInput, RunInput, SweepInput, type RegistryState, type VersionId } from '../../configs/schema/index.ts';
import { miniInput } from '../helpers/mini-plan.ts';
import { omitRunName } from '../helpers/omit-run-name.ts';
import type { Random } from '../chaos/random.ts';
import { store } from './activities.ts';
import type { Clock } from './clock.ts';
import type { Host } from './machine/host.ts';
import type { Oracles } from './oracles.ts';
import { hasFault, type Action, type Scenario } from './scenario.ts';
import type { Execution } from './temporal/execution.ts';
import { toPayload } from './temporal/payload.ts';
import type { SimulatedServer } from './temporal/server.ts';

interface World {
  clock: Clock;
  random: Random;
  server: SimulatedServer;
  host: Host;
  oracles: Oracles;
  /** Called when a run has confirmed a pause. */
  onPaused: (run: Execution) => void;
  /** Called when a user has changed the registry. */
  onRegistryChanged: () => void;
}

interface Start {
  workflowType: string;
  workflowId: string;
  input: object;
}

const name = 'sim';
const caretakerMs = 30_000;

export class Workload {
  /** Starts that a user has planned. */
  plannedStarts = 0;
  /** Version of the training data. */
  dataVersion = 1;
  private readonly world: World;
  private readonly start: Start;
  private readonly retrainInput: RetrainInput;
  private triggers = 0;
  private restarts = 0;

  constructor(world: World, scenario: Scenario) {
    const { workload, epochs, gpus, fewerGpus, asksPerson } = scenario;
    this.world = world;
    const recovery = { ...miniInput.recovery, fewerGpus };
    // Another machine needs the copy in a store that both reach.
    const artifacts = hasFault(scenario, 'move') ? { store: 's3://sim/everswin' } : miniInput.artifacts;
    const run = { ...miniInput, name, epochs, gpus: Math.max(1, gpus), recovery, artifacts };
    const base = omitRunName(run);
    const promote = asksPerson ? { by: 'person', deadlineHours: 0.02, remindAfterHours: 0.01 } : { by: 'gate' };
    this.retrainInput = RetrainInput.parse({ version: 1, model: name, run: base, promote });
    const variants = [{ name: 'a' }, { name: 'b', change: { seed: 8 } }];
    const starts = {
      train: { workflowType: workflowTypes.trainDetector, workflowId: workflowId(name), input: RunInput.parse(run) },
      retrain: { workflowType: workflowTypes.retrainDetector, workflowId: retrainId(name), input: this.retrainInput },
      sweep: {
        workflowType: workflowTypes.compareRecipes,
        workflowId: compareId(name),
        input: SweepInput.parse({
          version: 1,
          name,
          base: { ...base, version: 1 },
          variants,
          earlyStop: { afterEpoch: 1, pointsBehind: 5 },
        }),
      },
    };
    this.start = starts[workload];
  }

  begin(): void {
    if (this.start.workflowType === workflowTypes.retrainDetector) this.trigger();
    else this.startAgain();
  }

  /** Starts a workflow that did not complete again, as users do with half of them. */
  closed({ workflowId: id, status }: Execution): void {
    const { clock, random } = this.world;
    if (this.world.server.newest(id)?.isOpen === true) return;
    if (id !== this.start.workflowId || status === 'COMPLETED' || this.restarts > 0 || random.chance(0.5)) return;
    this.restarts += 1;
    this.plannedStarts += 1;
    clock.schedule(random.between(100, 20_000), () => {
      this.plannedStarts -= 1;
      this.begin();
    });
  }

  /** Sends a request. A refusal is an answer too. */
  request(action: Action): void {
    const { host } = this.world;
    host.trace(`user: ${JSON.stringify(action)}`);
    const run = this.newestOpen(workflowTypes.trainDetector);
    switch (action.kind) {
      case 'cancel':
        return this.newestOpen(this.start.workflowType)?.requestCancel();
      case 'terminate':
        return this.newestOpen(this.start.workflowType)?.terminate();
      case 'reset': {
        const execution = this.newestOpen(this.start.workflowType);
        if (execution !== undefined) this.world.server.reset(execution, action.tasks);
        return;
      }
      case 'pause':
        if (run !== undefined) void this.pause(run);
        return;
      case 'resume':
      case 'checkpointNow':
      case 'startOver':
        run?.update(updateNames[action.kind], []);
        return;
      case 'stopAfterEpoch':
      case 'extendEpochs':
        run?.update(updateNames[action.kind], [toPayload(action.epochs), toPayload('a user')]);
        return;
      case 'change data':
        this.dataVersion += 1;
        return;
      case 'trigger':
        return this.trigger();
      case 'approve':
        this.newestOpen(workflowTypes.retrainDetector)?.update(approvalUpdateNames.approve, [
          toPayload({ who: 'a user', why: 'it looks good' }),
        ]);
        return;
      case 'roll back':
        return this.changeChampion((state) => ({ action: 'rollback', version: previousChampion(state) }));
      case 'promote':
        return this.changeChampion((state) => ({ action: 'promote', version: newestRival(state) }));
      default:
        action satisfies never;
    }
  }

  /** Resumes and decides whatever waits for a person, from now on. */
  takeCare(): void {
    const kinds = ['resume', 'startOver', 'approve'] as const;
    const visit = (count: number) => {
      const kind = kinds[count % kinds.length] ?? 'resume';
      if (this.world.server.executions.some(({ isOpen }) => isOpen)) this.request({ kind });
      this.world.clock.schedule(caretakerMs, () => visit(count + 1));
    };
    visit(0);
  }

  private newestOpen(type: string): Execution | undefined {
    return this.world.server.executions.findLast(({ workflowType, isOpen }) => workflowType === type && isOpen);
  }

  private startAgain(): void {
    const { workflowType, workflowId: id, input } = this.start;
    this.world.server.tryStart({ workflowType, workflowId: id, args: [toPayload(input)] });
  }

  private async pause(run: Execution): Promise<void> {
    const { outcome } = run.update(updateNames.pause, []);
    const isConfirmed = await outcome.then(
      () => true,
      () => false,
    );
    if (isConfirmed) this.world.onPaused(run);
  }

  /** Sends a trigger, or starts the retraining with it. */
  private trigger(): void {
    const { server, clock, oracles } = this.world;
    const who = `trigger-${(this.triggers += 1)}`;
    const options = retrainTrigger(this.retrainInput, { who, why: 'the data may have changed' }, clock.now / 1000);
    const { workflowId: id, args, signal, signalArgs } = options;
    const open = server.newest(id);
    const start = { workflowType: workflowTypes.retrainDetector, workflowId: id, args: args.map(toPayload) };
    const target = open?.isOpen === true ? open : server.tryStart(start, true);
    if (target === undefined) return;
    target.signal(signal, signalArgs.map(toPayload));
    oracles.triggerSent(id, who);
  }

  /** Changes the registry as `everswin models` does. */
  private changeChampion(decide: (state: RegistryState) => Pick<ChangeRequest, 'action' | 'version'>): void {
    const { host, clock, onRegistryChanged } = this.world;
    const user = host.start({ name: 'user' });
    const change = async () => {
      const opened = localStore(store);
      const { state } = await readRegistry(opened, name);
      const request = { ...decide(state), who: `user ${user.pid}`, why: 'it is better', evidence: null };
      await changeRegistry(opened, name, request, { expected: state.champion, at: clock.now / 1000 });
      onRegistryChanged();
    };
    user.run(() => {
      change().then(
        () => user.exit(0),
        () => user.exit(1),
      );
    });
  }
}

/** Returns the newest version that is not the champion. */
function newestRival({ champion, history }: RegistryState): VersionId {
  const rival = history.findLast(({ version }) => version !== champion);
  if (rival === undefined) throw new Error('there is no version to promote');
  return rival.version;
}
