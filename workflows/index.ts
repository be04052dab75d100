export { compareRecipes } from './compare-recipes.ts';
export { evaluateDetector } from './evaluate-detector.ts';
export { trainDetector } from './train-detector.ts';
export { retrainDetector } from './retrain-detector.ts';
export { triggerRetrain } from './trigger-retrain.ts';
