// The learned part of LPIPS (Zhang et al. 2018): how much the difference in each channel of each layer of a backbone counts.
import { nn, type Tensor } from "firebrand";

/** Channels of the layers that are compared, by backbone. */
export const CHANNELS = {
  alex: [64, 192, 384, 256, 256],
  squeeze: [64, 128, 256, 384, 384, 512, 512],
  vgg: [64, 128, 256, 512, 512],
} as const;

class Head extends nn.Module {
  model: nn.Sequential;
  constructor(channels: number) {
    super();
    this.model = new nn.Sequential(new nn.Dropout(), new nn.Conv2d(channels, 1, 1, { bias: false }));
  }
  forward(x: Tensor): Tensor {
    return this.model.forward(x);
  }
}

class Heads extends nn.Module {
  #heads: Head[];
  constructor(channels: readonly number[]) {
    super();
    this.#heads = channels.map((c) => new Head(c));
    for (const [i, head] of this.#heads.entries()) this.addModule(`lin${i}`, head);
  }
  forward(a: readonly Tensor[], b: readonly Tensor[]): Tensor {
    const unit = (x: Tensor): Tensor => x.div(x.square().sum(1, { keepdim: true }).sqrt().add(1e-10)); // [N, C, H, W]
    const layers = this.#heads.map((head, i) => head.forward(unit(a[i]!).sub(unit(b[i]!)).square()).mean([1, 2, 3])); // [N] each
    return layers.reduce((sum, d) => sum.add(d)); // [N]
  }
}

/** The heads for a backbone, without weights: its features of two batches of images, [N, C, H, W] per layer → distances [N]. */
export const lpips = (backbone: keyof typeof CHANNELS): nn.Module & { forward(a: readonly Tensor[], b: readonly Tensor[]): Tensor } =>
  new Heads(CHANNELS[backbone]).eval();
