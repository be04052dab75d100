export { compareRecipes } from './sweep/compare-recipes.ts';
export { evaluateDetector } from './evaluate/evaluate-detector.ts';
export { trainDetector } from './train/train-detector.ts';
export { retrainDetector } from './retrain/retrain-detector.ts';
export { triggerRetrain } from './retrain/trigger-retrain.ts';
