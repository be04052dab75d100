export { trainDetector } from './train-detector.ts';
