import type { InputDependencies } from './inputs/dependencies.ts';
import type { NotifyDependencies } from './notify/notify.ts';
import type { PlanDependencies } from './plan/make-plan.ts';
import type { MachineDependencies } from './preflight/check-machine.ts';
import type { ReportDependencies } from './report/write-report.ts';
import type { RetrainDependencies } from './retrain/dependencies.ts';
import type { TrainDependencies } from './train/dependencies.ts';

/** Dependencies of all activities. A worker creates them once. */
export type ActivityDependencies = PlanDependencies &
  InputDependencies &
  MachineDependencies &
  TrainDependencies &
  ReportDependencies &
  RetrainDependencies &
  NotifyDependencies;
