"""The noise that the two-dimensional diffusion model sees in seeded points, and points drawn with it."""
import torch
import torch.nn.functional as F
from common import load, summary, write

w = load("tiny-diffusion-2d/model.pth")
STEPS = 200


def waves(v, name, scale):
    angle = v[:, None].float() * scale * w[f"{name}.emb"]
    return torch.cat([angle.sin(), angle.cos()], 1)


def forward(x, t):
    y = torch.cat([waves(x[:, 0], "input_emb1", 25), waves(x[:, 1], "input_emb2", 25), waves(t, "time_emb", 1)], 1)

    def linear(v, name):
        return F.linear(v, w[f"joint_mlp.{name}.weight"], w[f"joint_mlp.{name}.bias"])

    def norm(v, name):
        return F.layer_norm(v, (32,), w[f"joint_mlp.{name}.weight"], w[f"joint_mlp.{name}.bias"])

    y = F.gelu(linear(y, "0"))
    y = y + F.gelu(linear(norm(y, "2.ln"), "2.ff"))
    return linear(norm(y, "3"), "4")


def sample(n):
    beta = torch.linspace(1e-4, 0.02, STEPS)
    kept = torch.cumprod(1 - beta, 0)
    before = F.pad(kept[:-1], (1, 0), value=1.0)
    x = torch.randn(n, 2)
    for t in reversed(range(STEPS)):
        noise = forward(x, torch.full((n,), t))
        mean = (x - beta[t] / (1 - kept[t]).sqrt() * noise) / (1 - beta[t]).sqrt()
        x = mean + (beta[t] * (1 - before[t]) / (1 - kept[t])).sqrt() * torch.randn(n, 2)
    return x


torch.manual_seed(0)
noise = forward(torch.randn(50, 2), torch.randint(0, STEPS, (50,)))
torch.manual_seed(1)
points = sample(1000)
write({"noise": summary(noise, 50), "points": summary(points, 50)})
