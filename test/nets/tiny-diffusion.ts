// A diffusion model of points in the plane (JamesSand/DiffusionModel, after tanelp/tiny-diffusion): a small MLP that sees the noise in them.
import * as torch from "firebrand";
import { nn, type Tensor } from "firebrand";

const F = nn.functional;
const [STEPS, SIZE] = [200, 32]; // noise levels, features

/** A number as sines and cosines of 16 frequencies: [N] → [N, 32]. */
class Waves extends nn.Module {
  emb = new nn.Parameter(torch.zeros(SIZE / 2), false);
  #scale: number;
  constructor(scale: number) {
    super();
    this.#scale = scale;
  }
  forward(x: Tensor): Tensor {
    const angle = x.unsqueeze(1).mul(this.#scale).mul(this.emb); // [N, 16]
    return torch.cat([angle.sin(), angle.cos()], 1);
  }
}

class Residual extends nn.Module {
  ln = new nn.LayerNorm(SIZE);
  ff = new nn.Linear(SIZE, SIZE);
  forward(x: Tensor): Tensor {
    return x.add(F.gelu(this.ff.forward(this.ln.forward(x))));
  }
}

class TinyDiffusion extends nn.Module {
  time_emb = new Waves(1);
  input_emb1 = new Waves(25);
  input_emb2 = new Waves(25);
  joint_mlp = new nn.Sequential(
    new nn.Linear(3 * SIZE, SIZE),
    new nn.GELU(),
    new Residual(),
    new nn.LayerNorm(SIZE),
    new nn.Linear(SIZE, 2),
  );
  forward(points: Tensor, step: Tensor): Tensor {
    const [x, y] = points.unbind(1) as [Tensor, Tensor];
    const features = [this.input_emb1.forward(x), this.input_emb2.forward(y), this.time_emb.forward(step)]; // [N, 32] each
    return this.joint_mlp.forward(torch.cat(features, 1)); // [N, 2]
  }
}

/** The model, without weights: points [N, 2] and their steps [N] of 0 … 199 → the noise in them [N, 2]. */
export const tinyDiffusion = (): nn.Module & { forward(points: Tensor, step: Tensor): Tensor } => new TinyDiffusion().eval();

/** Draws `n` points [n, 2] with the default generator: Ho et al. 2020, algorithm 2, with the variance of the posterior. */
export function sample(model: ReturnType<typeof tinyDiffusion>, n: number): Tensor {
  const beta = torch.linspace(1e-4, 0.02, STEPS); // [200]
  const kept = beta.neg().add(1).cumprod(0); // ᾱ
  const before = F.pad(kept.narrow(0, 0, STEPS - 1), [1, 0], { value: 1 }); // ᾱ of the step before
  const [betas, alphas, alphasBefore] = [beta, kept, before].map((v) => v.toArraySync() as number[]) as [number[], number[], number[]];
  let x = torch.randn(n, 2);
  for (let t = STEPS - 1; t >= 0; t--) {
    const [b, a, a0] = [betas[t]!, alphas[t]!, alphasBefore[t]!];
    const noise = model.forward(x, torch.full([n], t));
    const mean = x.sub(noise.mul(b / Math.sqrt(1 - a))).div(Math.sqrt(1 - b));
    x = mean.add(torch.randn(n, 2).mul(Math.sqrt((b * (1 - a0)) / (1 - a))));
  }
  return x;
}
