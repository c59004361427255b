// MTCNN, the face detector of Zhang et al. 2016, with the networks of facenet-pytorch: one proposes, one refines, one decides.
import * as torch from "firebrand";
import { nn, type Tensor } from "firebrand";
import { nms } from "./boxes.ts";

const F = nn.functional;
const pool = (size: number): nn.Module & { forward(x: Tensor): Tensor } => new nn.MaxPool2d(size, { stride: 2, ceilMode: true });

class PNet extends nn.Module {
  conv1 = new nn.Conv2d(3, 10, 3);
  prelu1 = new nn.PReLU(10);
  pool1 = pool(2);
  conv2 = new nn.Conv2d(10, 16, 3);
  prelu2 = new nn.PReLU(16);
  conv3 = new nn.Conv2d(16, 32, 3);
  prelu3 = new nn.PReLU(32);
  conv4_1 = new nn.Conv2d(32, 2, 1);
  conv4_2 = new nn.Conv2d(32, 4, 1);
  forward(x: Tensor): [boxes: Tensor, probabilities: Tensor] {
    let y = this.pool1.forward(this.prelu1.forward(this.conv1.forward(x))); // [N, 10, (H - 2) / 2, (W - 2) / 2]
    y = this.prelu2.forward(this.conv2.forward(y)); // [N, 16, …]
    y = this.prelu3.forward(this.conv3.forward(y)); // [N, 32, H / 2 - 5, W / 2 - 5]
    return [this.conv4_2.forward(y), this.conv4_1.forward(y).softmax(1)]; // [N, 4, …], [N, 2, …]
  }
}

class RNet extends nn.Module {
  conv1 = new nn.Conv2d(3, 28, 3);
  prelu1 = new nn.PReLU(28);
  pool1 = pool(3);
  conv2 = new nn.Conv2d(28, 48, 3);
  prelu2 = new nn.PReLU(48);
  pool2 = pool(3);
  conv3 = new nn.Conv2d(48, 64, 2);
  prelu3 = new nn.PReLU(64);
  dense4 = new nn.Linear(576, 128);
  prelu4 = new nn.PReLU(128);
  dense5_1 = new nn.Linear(128, 2);
  dense5_2 = new nn.Linear(128, 4);
  forward(x: Tensor): [boxes: Tensor, probabilities: Tensor] {
    let y = this.pool1.forward(this.prelu1.forward(this.conv1.forward(x))); // [N, 28, 11, 11]
    y = this.pool2.forward(this.prelu2.forward(this.conv2.forward(y))); // [N, 48, 4, 4]
    y = this.prelu3.forward(this.conv3.forward(y)); // [N, 64, 3, 3]
    y = this.prelu4.forward(this.dense4.forward(features(y))); // [N, 128]
    return [this.dense5_2.forward(y), this.dense5_1.forward(y).softmax(1)]; // [N, 4], [N, 2]
  }
}

class ONet extends nn.Module {
  conv1 = new nn.Conv2d(3, 32, 3);
  prelu1 = new nn.PReLU(32);
  pool1 = pool(3);
  conv2 = new nn.Conv2d(32, 64, 3);
  prelu2 = new nn.PReLU(64);
  pool2 = pool(3);
  conv3 = new nn.Conv2d(64, 64, 3);
  prelu3 = new nn.PReLU(64);
  pool3 = pool(2);
  conv4 = new nn.Conv2d(64, 128, 2);
  prelu4 = new nn.PReLU(128);
  dense5 = new nn.Linear(1152, 256);
  prelu5 = new nn.PReLU(256);
  dense6_1 = new nn.Linear(256, 2);
  dense6_2 = new nn.Linear(256, 4);
  dense6_3 = new nn.Linear(256, 10);
  forward(x: Tensor): [boxes: Tensor, landmarks: Tensor, probabilities: Tensor] {
    let y = this.pool1.forward(this.prelu1.forward(this.conv1.forward(x))); // [N, 32, 23, 23]
    y = this.pool2.forward(this.prelu2.forward(this.conv2.forward(y))); // [N, 64, 10, 10]
    y = this.pool3.forward(this.prelu3.forward(this.conv3.forward(y))); // [N, 64, 4, 4]
    y = this.prelu4.forward(this.conv4.forward(y)); // [N, 128, 3, 3]
    y = this.prelu5.forward(this.dense5.forward(features(y))); // [N, 256]
    return [this.dense6_2.forward(y), this.dense6_3.forward(y), this.dense6_1.forward(y).softmax(1)]; // [N, 4], [N, 10], [N, 2]
  }
}
// The weights come from a framework that keeps columns before rows and channels last.
const features = (x: Tensor): Tensor => x.permute(0, 3, 2, 1).flatten(1);

type Net<Out> = nn.Module & { forward(x: Tensor): Out };
/** The three networks, without weights: image patches [N, 3, H, W] → box offsets and probabilities; `onet` gives landmarks too. */
export const mtcnn = (): {
  pnet: Net<[Tensor, Tensor]>; // any size of at least 12 x 12
  rnet: Net<[Tensor, Tensor]>; // 24 x 24
  onet: Net<[Tensor, Tensor, Tensor]>; // 48 x 48
} => ({ pnet: new PNet().eval(), rnet: new RNet().eval(), onet: new ONet().eval() });

const scaled = (image: Tensor, size: number[]): Tensor => F.interpolate(image, { size, mode: "area" }).sub(127.5).div(128);
const columns = (boxes: Tensor): Tensor[] => boxes.unbind(1);

/** The windows in which `pnet` sees faces: [n, 9], namely box, score and the four offsets. */
function proposals(offsets: Tensor, probabilities: Tensor, scale: number): Tensor {
  const mask = probabilities.select(1, 1).squeeze(0).ge(0.6); // [h, w]
  const corner = mask.nonzero().flip([1]).to("float32").mul(2); // [n, 2], x before y
  const box = torch
    .cat([corner.add(1), corner.add(12)], 1)
    .div(scale)
    .floor();
  const score = probabilities.select(1, 1).squeeze(0).index(mask).unsqueeze(1); // [n, 1]
  return torch.cat([box, score, offsets.squeeze(0).permute(1, 2, 0).index(mask)], 1);
}
/** Boxes moved by offsets in units of their sides, which count `extra` pixels more than the corners' distance. */
function moved(boxes: Tensor, offsets: Tensor, extra: number): Tensor {
  const [x0, y0, x1, y1, score] = columns(boxes) as [Tensor, Tensor, Tensor, Tensor, Tensor];
  const sides = torch.stack([x1.sub(x0), y1.sub(y0), x1.sub(x0), y1.sub(y0)], 1).add(extra);
  return torch.cat([boxes.narrow(1, 0, 4).add(offsets.mul(sides)), score.unsqueeze(1)], 1);
}
/** Squares around the same centres. */
function squared(boxes: Tensor): Tensor {
  const [x0, y0, x1, y1, score] = columns(boxes) as [Tensor, Tensor, Tensor, Tensor, Tensor];
  const [width, height] = [x1.sub(x0), y1.sub(y0)];
  const side = width.maximum(height);
  const [left, top] = [x0.add(width.sub(side).div(2)), y0.add(height.sub(side).div(2))];
  return torch.stack([left, top, left.add(side), top.add(side), score], 1);
}
/** What lies in the boxes, all at one size: [n, 3, size, size]. Parts outside of the image are left away. */
function patches(image: Tensor, boxes: Tensor, size: number): Tensor {
  const [height, width] = image.shape.slice(2) as [number, number];
  const crops = (boxes.toArraySync() as number[][]).map((box) => {
    const [x0, y0] = [box[0]!, box[1]!].map((v) => Math.max(Math.trunc(v), 1) - 1) as [number, number];
    const [x1, y1] = [Math.min(Math.trunc(box[2]!), width), Math.min(Math.trunc(box[3]!), height)];
    return scaled(image.narrow(2, y0, y1 - y0).narrow(3, x0, x1 - x0), [size, size]);
  });
  return torch.cat(crops, 0);
}

/** Finds faces of at least `minFace` pixels in an image [1, 3, H, W] of 0 to 255: rows of left, top, right, bottom, probability. */
export function detect({ pnet, rnet, onet }: ReturnType<typeof mtcnn>, image: Tensor, minFace = 20): Tensor {
  const [height, width] = image.shape.slice(2) as [number, number];
  const found: Tensor[] = [];
  for (let scale = 12 / minFace; Math.min(height, width) * scale >= 12; scale *= 0.709) {
    const [offsets, p] = pnet.forward(scaled(image, [Math.trunc(height * scale + 1), Math.trunc(width * scale + 1)]));
    const boxes = proposals(offsets, p, scale);
    found.push(boxes.indexSelect(0, nms(boxes, 0.5)));
  }
  let boxes = torch.cat(found, 0); // [n, 9]
  boxes = boxes.indexSelect(0, nms(boxes, 0.7));
  boxes = squared(moved(boxes.narrow(1, 0, 5), boxes.narrow(1, 5, 4), 0)); // [n, 5]
  for (const [net, size] of [[rnet, 24] as const, [onet, 48] as const]) {
    if (boxes.shape[0] === 0) break;
    const out = net.forward(patches(image, boxes, size));
    const [offsets, score] = [out[0], out.at(-1)!.select(1, 1)]; // [n, 4], [n]
    const rows = score.gt(0.7).nonzero().squeeze(1);
    const sure = torch.cat([boxes.narrow(1, 0, 4), score.unsqueeze(1)], 1).indexSelect(0, rows);
    const better = moved(sure, offsets.indexSelect(0, rows), 1);
    // The second stage drops overlapping boxes before it moves them, the last one after.
    boxes = net === rnet ? squared(better.indexSelect(0, nms(sure, 0.7))) : better.indexSelect(0, nms(better, 0.7));
  }
  return boxes;
}
