declare module "asciichart" {
  export function plot(series: readonly number[], options?: { height?: number }): string;
  const chart: { plot: typeof plot };
  export default chart;
}
