// Ultra-Light-Fast-Generic-Face-Detector (Linzaer), version RFB for 320 x 240: a single-shot detector of 4420 boxes on four grids.
import * as torch from "firebrand";
import { nn, type Tensor } from "firebrand";
import { nms } from "./boxes.ts";

type TensorModule = nn.Module & { forward(x: Tensor): Tensor };

const full = (from: number, to: number, stride: number): TensorModule =>
  new nn.Sequential(new nn.Conv2d(from, to, 3, { stride, padding: 1, bias: false }), new nn.BatchNorm2d(to), new nn.ReLU());
/** One 3 x 3 filter a channel, then a mixture of channels. */
const separable = (from: number, to: number, stride: number): TensorModule =>
  new nn.Sequential(
    new nn.Conv2d(from, from, 3, { stride, padding: 1, groups: from, bias: false }),
    new nn.BatchNorm2d(from),
    new nn.ReLU(),
    new nn.Conv2d(from, to, 1, { bias: false }),
    new nn.BatchNorm2d(to),
    new nn.ReLU(),
  );
/** The same without normalisation, for heads. */
const head = (from: number, to: number, stride = 1): TensorModule =>
  new nn.Sequential(new nn.Conv2d(from, from, 3, { stride, padding: 1, groups: from }), new nn.ReLU(), new nn.Conv2d(from, to, 1));

/** A convolution that keeps the grid's size, with normalisation. */
class Conv extends nn.Module {
  conv: nn.Conv2d;
  bn: nn.BatchNorm2d;
  #relu: boolean;
  constructor(from: number, to: number, kernel: number, { dilation = 1, relu = false } = {}) {
    super();
    this.conv = new nn.Conv2d(from, to, kernel, { padding: (dilation * (kernel - 1)) / 2, dilation, bias: false });
    this.bn = new nn.BatchNorm2d(to);
    this.#relu = relu;
  }
  forward(x: Tensor): Tensor {
    const y = this.bn.forward(this.conv.forward(x));
    return this.#relu ? y.relu() : y;
  }
}

/** A receptive field block (Liu et al. 2018): the same grid seen through windows of three widths. */
class ReceptiveField extends nn.Module {
  branch0 = new nn.Sequential(new Conv(64, 8, 1), new Conv(8, 16, 3, { relu: true }), new Conv(16, 16, 3, { dilation: 2 }));
  branch1 = new nn.Sequential(new Conv(64, 8, 1), new Conv(8, 16, 3, { relu: true }), new Conv(16, 16, 3, { dilation: 3 }));
  branch2 = new nn.Sequential(
    new Conv(64, 8, 1),
    new Conv(8, 12, 3, { relu: true }),
    new Conv(12, 16, 3, { relu: true }),
    new Conv(16, 16, 3, { dilation: 5 }),
  );
  ConvLinear = new Conv(48, 64, 1);
  shortcut = new Conv(64, 64, 1);
  forward(x: Tensor): Tensor {
    const seen = torch.cat([this.branch0.forward(x), this.branch1.forward(x), this.branch2.forward(x)], 1); // [N, 48, h, w]
    return this.ConvLinear.forward(seen).add(this.shortcut.forward(x)).relu(); // [N, 64, h, w]
  }
}

class UltraFace extends nn.Module {
  base_net = new nn.Sequential(
    full(3, 16, 2), // [N, 16, 120, 160]
    separable(16, 32, 1),
    separable(32, 32, 2), // [N, 32, 60, 80]
    separable(32, 32, 1),
    separable(32, 64, 2), // [N, 64, 30, 40]
    separable(64, 64, 1),
    separable(64, 64, 1),
    new ReceptiveField(), // boxes of the first grid
    separable(64, 128, 2), // [N, 128, 15, 20]
    separable(128, 128, 1),
    separable(128, 128, 1), // the second
    separable(128, 256, 2), // [N, 256, 8, 10]
    separable(256, 256, 1), // the third
  );
  extras = new nn.ModuleList([new nn.Sequential(new nn.Conv2d(256, 64, 1), new nn.ReLU(), head(64, 256, 2), new nn.ReLU())]); // [N, 256, 4, 5]
  classification_headers = new nn.ModuleList<TensorModule>([
    head(64, 6),
    head(128, 4),
    head(256, 4),
    new nn.Conv2d(256, 6, 3, { padding: 1 }),
  ]);
  regression_headers = new nn.ModuleList<TensorModule>([
    head(64, 12),
    head(128, 8),
    head(256, 8),
    new nn.Conv2d(256, 12, 3, { padding: 1 }),
  ]);

  forward(image: Tensor): [scores: Tensor, offsets: Tensor] {
    const grids: Tensor[] = [];
    let x = image;
    for (const [i, layer] of [...this.base_net].entries()) {
      x = layer.forward(x);
      if (i === 7 || i === 10 || i === 12) grids.push(x);
    }
    grids.push(this.extras.at(0).forward(x));
    // Boxes go by grid, row, column, and then size.
    const rows = (heads: Iterable<TensorModule>, width: number): Tensor =>
      torch.cat(
        [...heads].map((h, i) => h.forward(grids[i]!).permute(0, 2, 3, 1).reshape([x.shape[0]!, -1, width])),
        1,
      );
    return [rows(this.classification_headers, 2), rows(this.regression_headers, 4)];
  }
}

/** The network, without weights: images [N, 3, 240, 320] in about ±1 → scores [N, 4420, 2] (nothing, face) and offsets [N, 4420, 4]. */
export const ultraFace = (): nn.Module & { forward(x: Tensor): [Tensor, Tensor] } => new UltraFace().eval();

/** The boxes before the offsets, as fractions of the image: centre x, centre y, width, height. [4420, 4] */
function priors(): Tensor {
  const out: number[][] = [];
  const grids = [
    { columns: 40, rows: 30, sizes: [10, 16, 24] },
    { columns: 20, rows: 15, sizes: [32, 48] },
    { columns: 10, rows: 8, sizes: [64, 96] },
    { columns: 5, rows: 4, sizes: [128, 192, 256] },
  ];
  for (const { columns, rows, sizes } of grids)
    for (let y = 0; y < rows; y++)
      for (let x = 0; x < columns; x++) for (const s of sizes) out.push([(x + 0.5) / columns, (y + 0.5) / rows, s / 320, s / 240]);
  return torch.tensor(out).clamp(0, 1);
}

/** Finds faces in an image [1, 3, H, W] of 0 to 255: rows of left, top, right, bottom in pixels, probability. */
export function detect(model: ReturnType<typeof ultraFace>, image: Tensor): Tensor {
  const [height, width] = image.shape.slice(2) as [number, number];
  const small = nn.functional.interpolate(image, { size: [240, 320], mode: "bilinear", alignCorners: false });
  const [scores, offsets] = model.forward(small.sub(127).div(128));
  const probability = scores.softmax(-1).index(0, ":", 1); // [4420]
  const [centre, size] = priors().split(2, 1) as [Tensor, Tensor]; // [4420, 2]
  const [by, grown] = offsets.squeeze(0).split(2, 1) as [Tensor, Tensor];
  const [middle, half] = [centre.add(by.mul(0.1).mul(size)), grown.mul(0.2).exp().mul(size).div(2)];
  const pixels = torch.cat([middle.sub(half), middle.add(half)], 1).mul(torch.tensor([width, height, width, height]));
  const boxes = torch.cat([pixels, probability.unsqueeze(1)], 1).index(probability.gt(0.7)); // [n, 5]
  return boxes.indexSelect(0, nms(boxes, 0.3));
}
