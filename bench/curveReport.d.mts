/** Types of curveReport.mjs, for its test. */
export interface CurvePoint {
  readonly x: number
  readonly events: number
  readonly keys: number
  readonly eventsPerS: number
  readonly bytesPerS: number
  readonly cpuSPerMillion: number
  readonly peakBytes: number
  readonly load: number
  readonly isRight: boolean
}

export function bendsOf(
  points: readonly CurvePoint[],
): readonly (CurvePoint & { readonly factor: number; readonly bends: boolean })[]
export function curvePlots(points: readonly CurvePoint[]): string
export function shortNumber(n: number): string
export function curveRows(points: readonly CurvePoint[]): readonly (readonly string[])[]
export function curveSection(
  curve: { readonly title: string; readonly about: string },
  points: readonly CurvePoint[],
  under: string,
): string
export function placed(text: string, name: string, section: string): string
