/** What crosses an edge: schema and type under one name. Units stand in the names; AP and AR are in 0..1. */
export { Sha256 } from './schema/primitives.ts';
export * from './schema/speed.ts';
export * from './schema/input.ts';
export * from './schema/catalog.ts';
export * from './schema/metrics.ts';
export * from './schema/analysis.ts';
export * from './schema/plan.ts';
export * from './schema/trainer-files.ts';
export * from './schema/hosts.ts';
export * from './schema/course.ts';
export * from './schema/report.ts';
export * from './schema/comparison.ts';
export * from './schema/registry.ts';
export * from './schema/retrain.ts';
export * from './schema/stored.ts';
export * from './schema/preflight.ts';
export * from './schema/gap.ts';
export * from './schema/gpu-check.ts';
