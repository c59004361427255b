// Boxes that detectors share: rows of left, top, right, bottom and a score.
import * as torch from "firebrand";
import type { Tensor } from "firebrand";

/**
 * Non-maximum suppression: row numbers of the boxes [N, ≥ 5] that remain, best score first, when each drops those after it that overlap it by
 * more than `limit` (intersection over union).
 */
export function nms(boxes: Tensor, limit: number): Tensor {
  const rows = boxes.toArraySync() as number[][];
  const area = (b: number[]): number => (b[2]! - b[0]!) * (b[3]! - b[1]!);
  const overlap = (a: number[], b: number[]): number => {
    const width = Math.min(a[2]!, b[2]!) - Math.max(a[0]!, b[0]!);
    const height = Math.min(a[3]!, b[3]!) - Math.max(a[1]!, b[1]!);
    if (width <= 0 || height <= 0) return 0;
    return (width * height) / (area(a) + area(b) - width * height);
  };
  const kept: number[] = [];
  const order = rows.map((_, i) => i).sort((i, j) => rows[j]![4]! - rows[i]![4]! || i - j);
  for (const i of order) if (kept.every((k) => overlap(rows[k]!, rows[i]!) <= limit)) kept.push(i);
  return torch.tensor(kept, { dtype: "int64" });
}
