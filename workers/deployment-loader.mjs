/**
 * Webpack loader that replaces configs/deployment.ts by the value that it has in the worker.
 * @this {{ getOptions: () => { defaultDeployment: string, deployment: string } }}
 */
export default function replaceDeployment() {
  return Object.entries(this.getOptions())
    .map(([name, value]) => `export const ${name} = ${JSON.stringify(value)};\n`)
    .join('');
}
